import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { untilWaiting } from '../support/locks.js';
import { refreshRows } from '../support/family-rows.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes'];

describe('clean-up of families of 90 days', () => {
  let test: JwtApp;
  let cleanup: TokenCleanupService;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 60 });
    cleanup = test.get(TokenCleanupService);
  });
  afterEach(() => test.dataSource.query('TRUNCATE sigra_refresh_families CASCADE'));
  afterAll(() => test.close());

  /** Signs in and rotates the given number of times. */
  const signIn = async (rotations = 0) => {
    let pair = await test.jwt.generateTokens(test.user, SCOPES);
    const familyId = familyIdOf(pair);
    for (let turn = 0; turn < rotations; turn++) pair = await test.jwt.refresh(pair.refreshToken);
    return { familyId, pair };
  };
  const counts = async () => {
    const rows = await test.dataSource.query<{ families: number; tokens: number }[]>(
      `SELECT (SELECT count(*)::int FROM sigra_refresh_families) AS families,
         (SELECT count(*)::int FROM sigra_refresh_tokens) AS tokens`,
    );
    return rows[0];
  };

  it('deletes neither idle nor revoked nor consumed families within an hour after their absolute end', async () => {
    await signIn(3);
    const revoked = await signIn(1);
    await test.jwt.revokeRefresh(revoked.pair.refreshToken);
    test.clock.advance({ days: 90, minutes: 59, seconds: 59, milliseconds: 999 });

    const report = await cleanup.cleanupExpiredTokens();

    expect(report).toMatchObject({ refreshFamilies: 0, refreshTokens: 0, complete: true });
    expect(await counts()).toEqual({ families: 2, tokens: 6 });
  });

  it('deletes and counts all families with their tokens an hour after their absolute end, in every state', async () => {
    await signIn(3);
    const revoked = await signIn(1);
    await test.jwt.revokeRefresh(revoked.pair.refreshToken);
    test.clock.advance({ days: 1 });
    const later = await signIn(1);
    test.clock.advance({ days: 89, hours: 1 });

    const report = await cleanup.cleanupExpiredTokens();

    expect(report).toMatchObject({ refreshFamilies: 2, refreshTokens: 6, complete: true });
    expect(await counts()).toEqual({ families: 1, tokens: 2 });
    expect(await refreshRows(test.dataSource, later.familyId)).toHaveLength(2);
  });

  it('still detects reuse of the first token while the family lives', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    let last = await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ days: 29 });
    last = await test.jwt.refresh(last.refreshToken);

    await cleanup.cleanupExpiredTokens();
    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken));

    expect(refusal).toBe('reuse_detected');
    expect(await refusalOf(test.jwt.refresh(last.refreshToken))).toBe('token_revoked');
  });

  it('makes tokens of ended families unknown, without an error', async () => {
    const { pair } = await signIn();
    test.clock.advance({ days: 90, hours: 1 });
    await cleanup.cleanupExpiredTokens();

    expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('invalid_token');
    expect(await refusalOf(test.jwt.revokeRefresh(pair.refreshToken))).toBe('invalid_token');
  });

  it('never deletes the epoch of a user who signed out everywhere', async () => {
    const { pair } = await signIn();
    await test.jwt.signOutEverywhere(test.user);
    test.clock.advance({ days: 1000 });

    await cleanup.cleanupExpiredTokens();
    const next = await test.jwt.generateTokens(test.user, SCOPES);

    expect(await test.jwt.verifyAccess(next.accessToken)).toMatchObject({ epoch: 1 });
    expect(await refusalOf(test.jwt.verifyAccess(pair.accessToken))).toBe('token_expired');
  });

  it.each([1, 2, 7, 100])('deletes batches of %i tokens across families', async (batchSize) => {
    await signIn(6);
    await signIn(3);
    await signIn();
    test.clock.advance({ days: 90, hours: 1 });
    const log = QueryLog.of(test.dataSource);

    const report = await cleanup.cleanupExpiredTokens({ batchSize });

    const batches = log.matching(/DELETE FROM "public"."sigra_refresh_tokens"/);
    expect(report).toMatchObject({ refreshFamilies: 3, refreshTokens: 12, complete: true });
    expect(batches).toHaveLength(Math.floor(12 / batchSize) + 1);
    expect(batches.every(({ parameters }) => parameters.at(-1) === batchSize)).toBe(true);
    expect(await counts()).toEqual({ families: 0, tokens: 0 });
  });

  it('deletes exactly the sealed successors that no client can request anymore', async () => {
    for (let turn = 0; turn < 3; turn++) await signIn(1);
    test.clock.advance({ hours: 1 });
    const recent = await signIn(1);

    await cleanup.cleanupExpiredTokens({ batchSize: 2 });

    const rows = await test.dataSource.query<unknown[]>(
      'SELECT family_id FROM sigra_refresh_tokens WHERE sealed_successor IS NOT NULL',
    );
    expect(rows).toEqual([{ family_id: recent.familyId }]);
  });

  it('skips locked rows without waiting, and deletes them in the next run', async () => {
    const held = await signIn(1);
    await signIn(1);
    test.clock.advance({ days: 90, hours: 1 });
    const holder = test.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT FROM sigra_refresh_families WHERE id = $1 FOR NO KEY UPDATE', [held.familyId]);
    await holder.query('SELECT FROM sigra_refresh_tokens WHERE family_id = $1 FOR NO KEY UPDATE', [held.familyId]);

    const first = await cleanup.cleanupExpiredTokens();
    await holder.rollbackTransaction();
    await holder.release();
    const second = await cleanup.cleanupExpiredTokens();

    expect(first).toMatchObject({ refreshFamilies: 1, refreshTokens: 2, complete: true });
    expect(second).toMatchObject({ refreshFamilies: 1, refreshTokens: 2, complete: true });
  });

  it('never deadlocks with a refresh: a refresh that is second finds no family', async () => {
    const { pair, familyId } = await signIn();
    const holder = test.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('DELETE FROM sigra_refresh_tokens WHERE family_id = $1', [familyId]);
    await holder.query('DELETE FROM sigra_refresh_families WHERE id = $1', [familyId]);

    const refresh = refusalOf(test.jwt.refresh(pair.refreshToken));
    const revoke = refusalOf(test.jwt.revokeRefresh(pair.refreshToken));
    await untilWaiting(test.dataSource, 2);
    await holder.commitTransaction();
    await holder.release();

    expect(await refresh).toBe('token_expired');
    expect(await revoke).toBe('invalid_token');
  });
});
