import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { inSeconds, putAuditEvents, putFailures, putTokens, remainingTokens } from '../support/aged-rows.js';

const RETENTION = 7_776_000;
const FAILURE_RETENTION = 34_560_000;
const REFUSAL = 'api.token_verify.failure';
const NOTHING = {
  expiredTokens: 0,
  revokedTokens: 0,
  refreshFamilies: 0,
  refreshTokens: 0,
  auditEvents: 0,
  auditPartitions: 0,
  forgottenOwners: 0,
  complete: true,
};

describe('TokenCleanupService.cleanupExpiredTokens', () => {
  let test: TestApp;
  let cleanup: TokenCleanupService;

  beforeAll(async () => {
    test = await startTestApp();
    cleanup = test.get(TokenCleanupService);
  });
  afterEach(() => test.dataSource.query('TRUNCATE sigra_api_tokens, sigra_audit_events CASCADE'));
  afterAll(() => test.close());

  it('finds nothing to do in empty tables', async () => {
    expect(await cleanup.cleanupExpiredTokens()).toEqual(NOTHING);
  });

  it('deletes tokens an hour after they expire, and not a millisecond before', async () => {
    await putTokens(test, 2, { expiresAt: inSeconds(test, -3600) });
    await putTokens(test, 1, { expiresAt: inSeconds(test, -1e8) });
    const living = await putTokens(test, 1, { expiresAt: inSeconds(test, -3599.999) });

    const report = await cleanup.cleanupExpiredTokens();

    expect(report).toEqual({ ...NOTHING, expiredTokens: 3 });
    expect(await remainingTokens(test)).toEqual(living);
  });

  it('keeps tokens that never expire', async () => {
    const living = await putTokens(test, 3);

    await cleanup.cleanupExpiredTokens();

    expect((await remainingTokens(test)).sort()).toEqual(living.sort());
  });

  it('deletes revoked tokens when their retention ends, and not a millisecond before', async () => {
    await putTokens(test, 2, { revokedAt: inSeconds(test, -RETENTION) });
    const recent = await putTokens(test, 1, { revokedAt: inSeconds(test, -RETENTION + 0.001) });

    const report = await cleanup.cleanupExpiredTokens();

    expect(report).toEqual({ ...NOTHING, revokedTokens: 2 });
    expect(await remainingTokens(test)).toEqual(recent);
  });

  it('keeps a recently revoked token even if it has expired', async () => {
    const kept = await putTokens(test, 1, { revokedAt: inSeconds(test, -60), expiresAt: inSeconds(test, -30) });

    await cleanup.cleanupExpiredTokens();

    expect(await remainingTokens(test)).toEqual(kept);
  });

  it('leaves a token revoked until its row is deleted, and unknown afterwards', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin'] });
    await test.tokens.revoke(token.id);

    await cleanup.cleanupExpiredTokens();
    const within = await refusalOf(test.tokens.verify(rawToken));
    test.clock.advance({ days: 90 });
    await cleanup.cleanupExpiredTokens();

    expect(within).toBe('token_revoked');
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('invalid_token');
  });

  it('keeps all audit events unless they have a retention', async () => {
    await putAuditEvents(test, 3, new Date(0));

    await cleanup.cleanupExpiredTokens();

    expect(await auditRows(test.dataSource)).toHaveLength(3);
  });

  it('deletes refusals of API tokens after 400 days, and not a millisecond before', async () => {
    await putFailures(test, 3, REFUSAL, inSeconds(test, -FAILURE_RETENTION - 0.001));
    await putFailures(test, 1, REFUSAL, inSeconds(test, -FAILURE_RETENTION));

    const report = await cleanup.cleanupExpiredTokens({ batchSize: 2 });

    expect(report).toEqual({ ...NOTHING, auditEvents: 3 });
    expect(await auditRows(test.dataSource)).toMatchObject([{ action: REFUSAL }]);
  });

  it('keeps all other failures', async () => {
    await putFailures(test, 1, 'api.jwt_refresh_reuse', new Date(0));
    await putFailures(test, 1, 'note.add', new Date(0));

    const report = await cleanup.cleanupExpiredTokens();

    expect(report).toEqual(NOTHING);
    expect(await auditRows(test.dataSource)).toHaveLength(2);
  });

  it.each([1, 2, 5, 10, 11])('deletes everything in batches of %i, each in its own transaction', async (batchSize) => {
    await putTokens(test, 10, { expiresAt: inSeconds(test, -3600) });
    const log = QueryLog.of(test.dataSource);

    const report = await cleanup.cleanupExpiredTokens({ batchSize });

    const deletions = log
      .matching(/DELETE FROM "public"."sigra_api_tokens"/)
      .filter(({ sql }) => sql.includes('expires_at <='));
    expect(report).toEqual({ ...NOTHING, expiredTokens: 10 });
    expect(deletions).toHaveLength(Math.floor(10 / batchSize) + 1);
    expect(deletions.every(({ parameters }) => parameters[1] === batchSize)).toBe(true);
    expect(log.matching(/^COMMIT/).length).toBeGreaterThanOrEqual(deletions.length);
  });

  it('skips a locked row without waiting, and deletes it in the next run', async () => {
    const [held] = await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });
    const holder = test.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT 1 FROM sigra_api_tokens WHERE id = $1 FOR NO KEY UPDATE', [held]);

    const first = await cleanup.cleanupExpiredTokens();
    const left = await remainingTokens(test);
    await holder.rollbackTransaction();
    await holder.release();
    const second = await cleanup.cleanupExpiredTokens();

    expect(first).toEqual({ ...NOTHING, expiredTokens: 2 });
    expect(left).toEqual([held]);
    expect(second).toEqual({ ...NOTHING, expiredTokens: 1 });
  });

  it('rejects with unavailable without a database connection', async () => {
    const gone = await startTestApp({ databaseUrl: test.databaseUrl });
    await gone.dataSource.destroy();

    const refusal = await refusalOf(gone.get(TokenCleanupService).cleanupExpiredTokens());
    await gone.dataSource.initialize();
    await gone.close();

    expect(refusal).toBe('unavailable');
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity, '10', null])(
    'throws a RangeError for a batch size of %p',
    async (size) => {
      const run = cleanup.cleanupExpiredTokens({ batchSize: size as number });

      await expect(run).rejects.toThrow(new RangeError('sigra: batchSize must be an integer above 0'));
    },
  );
});

describe('retention by configuration', () => {
  it('deletes revoked tokens at once with revokedRetention: 0, and audit events past audit.retention', async () => {
    const test = await startTestApp({
      sigra: { cleanup: { schedule: false, revokedRetention: 0, batchSize: 2 }, audit: { retention: 3600 } },
    });
    await putTokens(test, 3, { revokedAt: inSeconds(test, 0) });
    await putAuditEvents(test, 3, inSeconds(test, -3600.001));
    await putAuditEvents(test, 1, inSeconds(test, -3600));

    const report = await test.get(TokenCleanupService).cleanupExpiredTokens();
    const events = await auditRows(test.dataSource);
    await test.close();

    expect(report).toEqual({ ...NOTHING, revokedTokens: 3, auditEvents: 3 });
    expect(events).toHaveLength(1);
  });

  it('deletes refusals past audit.failureRetention, and no other events', async () => {
    const test = await startTestApp({ sigra: { audit: { failureRetention: 3600 } } });
    await putFailures(test, 2, REFUSAL, inSeconds(test, -3600.001));
    await putFailures(test, 1, REFUSAL, inSeconds(test, -3600));
    await putAuditEvents(test, 1, inSeconds(test, -3600.001));

    const report = await test.get(TokenCleanupService).cleanupExpiredTokens();
    const events = await auditRows(test.dataSource);
    await test.close();

    expect(report).toEqual({ ...NOTHING, auditEvents: 2 });
    expect(events.map(({ action }) => action)).toEqual(['note.add', REFUSAL]);
  });
});
