import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditLogSafeError } from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { auditRows } from '../support/audit-rows.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const ORIGIN = { ipAddress: '192.0.2.1', userAgent: 'curl/8.5.0' };
const ACTION = 'api.token_verify.failure';

/** The rows of refused tokens that have been written so far. */
async function failureRows(test: TestApp) {
  await test.get(VerifyFailureRecorder).flush();
  return (await auditRows(test.dataSource)).filter(({ action }) => action === ACTION);
}

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

  it('has a row for each refusal of a revoked token', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);

    for (let each = 0; each < 3; each++) {
      test.clock.advance({ seconds: 1 });
      await refusalOf(test.tokens.verify(rawToken, ORIGIN));
    }

    const rows = await failureRows(test);
    expect(rows).toHaveLength(3);
    expect(rows.at(-1)).toEqual({
      id: expect.any(String),
      action: ACTION,
      outcome: 'failure',
      actor_id: null,
      actor_type: 'anonymous',
      target_id: token.id,
      target_type: 'api_token',
      metadata: { reason: 'token_revoked', userId: test.user.id },
      ip_address: '192.0.2.1',
      user_agent: 'curl/8.5.0',
      occurred_at: test.clock.now(),
    });
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
      { target_id: expired.token.id, metadata: { reason: 'token_expired', userId: test.user.id }, ip_address: null },
      { target_id: orphaned.token.id, metadata: { reason: 'user_inactive', userId: grace.id } },
    ]);
  });

  it('counts unknown tokens in one row for each address', async () => {
    const guess = (ipAddress?: string) => refusalOf(test.tokens.verify(unknownToken(), { ipAddress }));

    await Promise.all([...Array.from({ length: 7 }, () => guess('192.0.2.1')), guess('192.0.2.2'), guess(), guess()]);

    const rows = await failureRows(test);
    const counts = rows.map(({ ip_address, target_id, metadata }) => ({ ip_address, target_id, ...metadata }));
    expect(counts).toHaveLength(3);
    expect(counts).toEqual(
      expect.arrayContaining([
        { ip_address: '192.0.2.1', target_id: null, reason: 'unknown_token', count: 7 },
        { ip_address: '192.0.2.2', target_id: null, reason: 'unknown_token', count: 1 },
        { ip_address: null, target_id: null, reason: 'unknown_token', count: 2 },
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

  it('limits its rows under attack with a revoked token, and counts the rest', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const log = QueryLog.of(test.dataSource);

    await Promise.all(Array.from({ length: 1200 }, () => refusalOf(test.tokens.verify(rawToken))));

    const rows = await failureRows(test);
    const flushes = log.matching(/^INSERT INTO "public"."sigra_audit_events"/).length;
    const [left] = rows.filter(({ metadata }) => metadata.reason === 'not_recorded');
    expect(rows.length).toBeLessThanOrEqual(flushes * 1001);
    expect(rows.length + ((left?.metadata.count ?? 1) as number) - 1).toBe(1200);
  });

  it('limits its rows under attack with unknown tokens from many addresses, and still counts all', async () => {
    const log = QueryLog.of(test.dataSource);

    await Promise.all(
      Array.from({ length: 1100 }, (_, host) =>
        refusalOf(test.tokens.verify(unknownToken(), { ipAddress: `10.0.${host >> 8}.${host & 255}` })),
      ),
    );

    const rows = await failureRows(test);
    const flushes = log.matching(/^INSERT INTO "public"."sigra_audit_events"/).length;
    expect(rows.length).toBeLessThanOrEqual(flushes * 1001);
    expect(rows.reduce((sum, { metadata }) => sum + (metadata.count as number), 0)).toBe(1100);
  });

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
    expect(lost as AuditLogSafeError[]).toMatchObject([{ reason: 'constraint_violation', actions: [ACTION, ACTION] }]);
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
    await other.close();
    const rows = await auditRows(test.dataSource, token.id);
    await test.close();

    expect(rows.map(({ action }) => action)).toEqual(['api.token_create', 'api.token_revoke', ACTION]);
  });
});
