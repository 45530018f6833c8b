import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditLogSafeError } from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type AuditRow, auditRows } from '../support/audit-rows.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const ORIGIN = { ipAddress: '192.0.2.1', userAgent: 'curl/8.5.0' };
const ACTION = 'api.token_verify.failure';

/** The rows of refused tokens that are in the database. */
async function failureRowsOf(test: TestApp): Promise<AuditRow[]> {
  return (await auditRows(test.dataSource)).filter(({ action }) => action === ACTION);
}

/** Writes all rows of refused tokens, and reads them. */
async function failureRows(test: TestApp): Promise<AuditRow[]> {
  await test.get(VerifyFailureRecorder).flush();
  return failureRowsOf(test);
}

const sumOf = (rows: readonly AuditRow[]) => rows.reduce((sum, { metadata }) => sum + (metadata.count as number), 0);

describe('the audit trail of refused tokens', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterEach(async () => {
    await test.get(VerifyFailureRecorder).flush();
    await test.dataSource.query('TRUNCATE sigra_audit_events');
  });
  afterAll(() => test.close());

  it('counts the refusals of a revoked token from one address in one row', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const firstAt = test.clock.now().toISOString();

    await refusalOf(test.tokens.verify(rawToken, ORIGIN));
    test.clock.advance({ seconds: 1 });
    await refusalOf(test.tokens.verify(rawToken, ORIGIN));
    await refusalOf(test.tokens.verify(rawToken, { ipAddress: '::ffff:192.0.2.1' }));

    const lastAt = test.clock.now().toISOString();
    expect(await failureRows(test)).toEqual([
      {
        id: expect.any(String),
        action: ACTION,
        outcome: 'failure',
        actor_id: null,
        actor_type: 'anonymous',
        target_id: token.id,
        target_type: 'api_token',
        metadata: { reason: 'token_revoked', userId: test.user.id, count: 3, firstAt, lastAt },
        ip_address: '192.0.2.1',
        user_agent: 'curl/8.5.0',
        occurred_at: test.clock.now(),
      },
    ]);
  });

  it('counts the addresses of a /64 in one row', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);

    for (const ipAddress of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:3::1']) {
      await refusalOf(test.tokens.verify(rawToken, { ipAddress }));
    }

    expect(await failureRows(test)).toMatchObject([
      { ip_address: '2001:db8:1:2::/64', metadata: { count: 2 } },
      { ip_address: '2001:db8:1:3::1', metadata: { count: 1 } },
    ]);
  });

  it('has a row for an expired token and for a token with an inactive owner', async () => {
    const grace = await test.addUser('grace@example.com');
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const expired = await test.tokens.create(test.user, { ...REQUEST, expiresAt });
    const orphaned = await test.tokens.create(grace, REQUEST);
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [grace.id]);
    test.clock.set(expiresAt);

    await refusalOf(test.tokens.verify(expired.rawToken));
    await refusalOf(test.tokens.verify(orphaned.rawToken));

    expect(await failureRows(test)).toMatchObject([
      {
        target_id: expired.token.id,
        metadata: { reason: 'token_expired', userId: test.user.id, count: 1 },
        ip_address: null,
      },
      { target_id: orphaned.token.id, metadata: { reason: 'user_inactive', userId: grace.id, count: 1 } },
    ]);
  });

  it('counts unknown tokens in one row for each address', async () => {
    const guess = (ipAddress?: string) => refusalOf(test.tokens.verify(unknownToken(), { ipAddress }));

    await Promise.all([...Array.from({ length: 7 }, () => guess('192.0.2.1')), guess('192.0.2.2'), guess(), guess()]);

    const rows = await failureRows(test);
    const counts = rows.map(({ ip_address, target_id, metadata: { reason, count } }) => [
      ip_address,
      target_id,
      reason,
      count,
    ]);
    expect(counts).toHaveLength(3);
    expect(counts).toEqual(
      expect.arrayContaining([
        ['192.0.2.1', null, 'unknown_token', 7],
        ['192.0.2.2', null, 'unknown_token', 1],
        [null, null, 'unknown_token', 2],
      ]),
    );
  });

  it('has no row for malformed and valid tokens', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    await refusalOf(test.tokens.verify(rawToken.slice(0, -1), ORIGIN));
    await refusalOf(test.tokens.verify('', ORIGIN));
    await test.tokens.verify(rawToken, ORIGIN);

    expect(await failureRows(test)).toEqual([]);
    expect(await auditRows(test.dataSource, token.id)).toHaveLength(1);
  });

  it('is written in the background: a refusal costs the caller one query', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const log = QueryLog.of(test.dataSource);

    for (let each = 0; each < 10; each++) await refusalOf(test.tokens.verify(rawToken));
    const before = log.queries.length;
    await failureRows(test);

    expect(before).toBe(10);
    expect(log.matching(/^INSERT INTO "public"."sigra_audit_events"/)).toHaveLength(1);
  });

  it('gets the first row at once, the second after a minute, and nothing in between', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const recorder = test.get(VerifyFailureRecorder);
    const written = async () => {
      await recorder.flushDue();
      return (await failureRowsOf(test)).map(({ metadata }) => metadata.count);
    };

    await refusalOf(test.tokens.verify(rawToken, ORIGIN));
    const first = await written();
    test.clock.advance({ seconds: 59 });
    for (let each = 0; each < 3; each++) await refusalOf(test.tokens.verify(rawToken, ORIGIN));
    const before = await written();
    test.clock.advance({ seconds: 1 });
    const after = await written();

    expect([first, before, after]).toEqual([[1], [1], [1, 3]]);
  });

  it('counts all of 85 refusals of a token while another one is refused 10,000 times', async () => {
    const mine = await test.tokens.create(test.user, REQUEST);
    const leaked = await test.tokens.create(await test.addUser('leak@example.com'), REQUEST);
    await test.tokens.revoke(mine.token.id);
    await test.tokens.revoke(leaked.token.id);

    for (let round = 0; round < 85; round++) {
      await Promise.all([
        ...Array.from({ length: 118 }, () => refusalOf(test.tokens.verify(mine.rawToken, ORIGIN))),
        refusalOf(test.tokens.verify(leaked.rawToken, { ipAddress: '198.51.100.7' })),
      ]);
    }

    const rows = await failureRows(test);
    const of = (id: string) => rows.filter(({ target_id }) => target_id === id);
    expect(rows.length).toBeLessThanOrEqual(4);
    expect(sumOf(of(mine.token.id))).toBe(85 * 118);
    expect(sumOf(of(leaked.token.id))).toBe(85);
    expect(of(leaked.token.id)[0]).toMatchObject({ ip_address: '198.51.100.7' });
  }, 60_000);

  it('limits its rows under attack from 5000 addresses, and still counts all', async () => {
    const known = await test.tokens.create(test.user, REQUEST);
    const leaked = await test.tokens.create(await test.addUser('late@example.com'), REQUEST);
    await test.tokens.revoke(known.token.id);
    await test.tokens.revoke(leaked.token.id);
    const addresses = Array.from({ length: 5000 }, (_, host) => `10.0.${host >> 8}.${host & 255}`);

    while (addresses.length > 0) {
      await Promise.all(
        addresses
          .splice(0, 500)
          .flatMap((ipAddress) => [
            refusalOf(test.tokens.verify(unknownToken(), { ipAddress })),
            refusalOf(test.tokens.verify(known.rawToken, { ipAddress })),
          ]),
      );
    }
    await refusalOf(test.tokens.verify(leaked.rawToken, ORIGIN));

    const rows = await failureRows(test);
    const of = (id: string | null) => rows.filter(({ target_id }) => target_id === id);
    expect([sumOf(of(null)), sumOf(of(known.token.id)), sumOf(of(leaked.token.id))]).toEqual([5000, 5000, 1]);
    // Twice, if the timer has already written the first rows.
    expect(of(null).length).toBeLessThanOrEqual(2 * 101);
    expect(of(known.token.id).length).toBeLessThanOrEqual(2 * 9);
    expect(of(known.token.id)).toContainEqual(
      expect.objectContaining({ ip_address: null, metadata: expect.objectContaining({ addresses: 'other' }) }),
    );
  }, 60_000);

  it('fails no caller when it cannot be written, and publishes the loss', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const lost: unknown[] = [];
    const note = (message: unknown) => lost.push(message);
    subscribe('sigra:audit:log_safe_error', note);
    await test.dataSource.query(
      `ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (action <> '${ACTION}') NOT VALID`,
    );

    const refusals = [await refusalOf(test.tokens.verify(rawToken)), await refusalOf(test.tokens.verify(rawToken))];
    await test.get(VerifyFailureRecorder).flush();
    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');
    unsubscribe('sigra:audit:log_safe_error', note);

    expect(refusals).toEqual(['token_revoked', 'token_revoked']);
    expect(lost as AuditLogSafeError[]).toMatchObject([{ reason: 'constraint_violation', actions: [ACTION] }]);
    expect(await failureRows(test)).toEqual([]);
  });
});

describe('refusals in memory', () => {
  it('are written when the application closes', async () => {
    const test = await startTestApp();
    const other = await startTestApp({ databaseUrl: test.databaseUrl });
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);

    await refusalOf(other.tokens.verify(rawToken));
    await other.get(VerifyFailureRecorder).flushDue();
    // This one waits for its time.
    await refusalOf(other.tokens.verify(rawToken));
    await other.close();
    const rows = await auditRows(test.dataSource, token.id);
    await test.close();

    expect(rows.map(({ action }) => action)).toEqual(['api.token_create', 'api.token_revoke', ACTION, ACTION]);
  });
});
