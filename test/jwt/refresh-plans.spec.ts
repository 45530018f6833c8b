import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { fillSignIns, scannedTables } from '../support/query-plans.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const FAMILIES = 100_000;
const OURS = /sigra_(?:refresh|owners)/;

describe(`with ${FAMILIES} families and three times as many refresh tokens, no statement scans a table`, () => {
  let test: JwtApp;
  let log: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp(
      { check: 'family', reuseLeeway: 10 },
      { sigra: { controllers: { oauth: 'oauth' }, cleanup: { schedule: false, batchSize: 100, forgetOwners: false } } },
    );
    await fillSignIns(test.dataSource, FAMILIES);
    log = QueryLog.of(test.dataSource);
  }, 120_000);
  afterAll(() => test.close());
  afterEach(() => log.clear());

  const signIn = async () => {
    const pair = await test.jwt.generateTokens(test.user, ['read:notes', 'oauth:introspect']);
    log.clear();
    return pair;
  };

  /** The number of statements on the tables of refresh tokens, and the tables that they scan. */
  const plans = async () => {
    const statements = log.matching(OURS);
    const scans = [];
    for (const statement of new Map(statements.map((each) => [each.sql, each])).values()) {
      const scanned = await scannedTables(test.dataSource, statement);
      if (scanned.length > 0) scans.push({ scanned, sql: statement.sql });
    }
    return { statements: statements.length, scans };
  };

  it('to sign in', async () => {
    await test.jwt.generateTokens(test.user, ['read:notes']);

    // The owner is read, locked, made at its first sign-in and locked again; then there must be room for one more family.
    expect(await plans()).toEqual({ statements: 4 + 1 + 1, scans: [] });
  });

  it('to rotate, to replay and to detect reuse', async () => {
    const first = await signIn();

    const second = await test.jwt.refresh(first.refreshToken);
    await test.jwt.refresh(first.refreshToken);
    await test.jwt.refresh(second.refreshToken);
    const now = test.clock.now();
    test.clock.advance({ seconds: 10 });
    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken));
    test.clock.set(now);

    expect(refusal).toBe('reuse_detected');
    // Each has a read; a rotation is one more statement; replay and reuse lock and read first. Reuse does so again with the lock
    // of the owner, revokes the family and what descends from it, and looks for more.
    expect(await plans()).toEqual({ statements: 4 + 2 + 2 * 2 + 2 + 1 + 3, scans: [] });
  });

  it('to revoke one family, by its token and by its id', async () => {
    const [one, other] = [await signIn(), await signIn()];

    await test.jwt.revokeRefresh(one.refreshToken);
    await test.jwt.revokeFamily(test.user, familyIdOf(other));

    expect(await plans()).toEqual({ statements: 3 + 2, scans: [] });
  });

  it('to revoke all families of a user, and to sign out everywhere', async () => {
    await signIn();

    await test.jwt.revokeAllRefresh(test.user);
    await test.jwt.signOutEverywhere(test.user);

    // Both move the epoch and count the families; then a sweep marks the rows and looks for more. The second one first looks
    // whether the owner is known.
    expect(await plans()).toEqual({ statements: 2 * (2 + 2) + 1, scans: [] });
  });

  it('to list the families of a user', async () => {
    await signIn();

    const { families } = await test.jwt.listFamilies(test.user);

    expect(families).toHaveLength(1);
    expect(await plans()).toEqual({ statements: 1, scans: [] });
  });

  it('to introspect a refresh token', async () => {
    const pair = await signIn();

    const answer = await fetch(`${test.url}/oauth/introspect`, {
      method: 'POST',
      headers: { authorization: `Bearer ${pair.accessToken}` },
      body: new URLSearchParams({ token: pair.refreshToken }),
    });

    expect(await answer.json()).toMatchObject({ active: true });
    expect(log.matching(/t\.token_hash =/)).toHaveLength(1);
    expect((await plans()).scans).toEqual([]);
  });

  it('to verify one access token, and 512 at once', async () => {
    const pair = await signIn();
    const users = await test.dataSource.query<User[]>(
      `INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, 512) n RETURNING *`,
    );
    const many = await Promise.all(
      users.map(({ id, email }) => test.jwt.generateTokens({ id, email, disabledAt: null }, ['read:notes'])),
    );
    log.clear();

    await test.jwt.verifyAccess(pair.accessToken);
    await Promise.all(many.map(({ accessToken }) => test.jwt.verifyAccess(accessToken)));

    expect(log.matching(/unnest/).map(({ parameters }) => (parameters[0] as string[]).length)).toEqual([256, 256]);
    expect(await plans()).toEqual({ statements: 3, scans: [] });
  });

  it('to clean up', async () => {
    const report = await test.get(TokenCleanupService).cleanupExpiredTokens();

    expect(report).toMatchObject({ refreshFamilies: 1000, refreshTokens: 3000, complete: true });
    expect((await plans()).scans).toEqual([]);
  });
});
