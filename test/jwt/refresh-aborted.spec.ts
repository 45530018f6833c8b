import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TokenPair } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { failAudit, type Fault } from '../support/audit-faults.js';
import { holdingFamilies, untilWaiting } from '../support/locks.js';
import { everyRow, familyRow } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes'];
/** Unique violation, serialization failure, deadlock, lock not available. */
const RACES = ['23505', '40001', '40P01', '55P03'];

describe('a refresh that loses a race against another transaction', () => {
  let test: JwtApp;
  let pair: TokenPair;
  let fault: Fault | undefined;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 10 });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    pair = await test.jwt.generateTokens(test.user, SCOPES);
  });
  afterEach(async () => {
    await fault?.mend();
    fault = undefined;
  });

  it.each(RACES)('is retried once after %s', async (state) => {
    fault = await failAudit(test.dataSource, state, 1);

    const next = await test.jwt.refresh(pair.refreshToken);

    expect(await fault.hits()).toBe(2);
    expect(next.scope).toBe('read:notes');
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
  });

  it.each(RACES)('is aborted after %s occurs twice: no row changes, and the token still works', async (state) => {
    const before = await everyRow(test.dataSource);
    fault = await failAudit(test.dataSource, state, Number.MAX_SAFE_INTEGER);

    const refresh = test.jwt.refresh(pair.refreshToken);

    await expect(refresh).rejects.toMatchObject({ code: 'refresh_aborted', cause: { code: state } });
    expect(await fault.hits()).toBe(2);
    expect(await everyRow(test.dataSource)).toEqual(before);
    await fault.mend();
    fault = undefined;
    expect(await test.jwt.refresh(pair.refreshToken)).toMatchObject({ scope: 'read:notes' });
  });

  it.each(RACES)('still replays or detects reuse after %s', async (state) => {
    const second = await test.jwt.refresh(pair.refreshToken);
    fault = await failAudit(test.dataSource, state, 1);
    const replay = await test.jwt.refresh(pair.refreshToken);
    await fault.mend();
    await test.jwt.refresh(second.refreshToken);
    test.clock.advance({ seconds: 10 });
    fault = await failAudit(test.dataSource, state, 1);

    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken));

    expect(replay.refreshToken).toBe(second.refreshToken);
    expect(refusal).toBe('reuse_detected');
    expect(await familyRow(test.dataSource, familyIdOf(pair))).toMatchObject({ revoke_reason: 'reuse_detected' });
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual([
      'api.jwt_issue',
      'api.jwt_refresh',
      'api.jwt_refresh_replay',
      'api.jwt_refresh',
      'api.jwt_refresh_reuse',
    ]);
  });

  it('is not retried after other errors', async () => {
    fault = await failAudit(test.dataSource, '22012', 1);

    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken));

    expect(refusal).toBe('refresh_aborted');
    expect(await fault.hits()).toBe(1);
  });

  it('rejects with unavailable when the server ends its connection, and the token still works', async () => {
    const killed = holdingFamilies(test.dataSource, [familyIdOf(pair)], async () => {
      const refresh = refusalOf(test.jwt.refresh(pair.refreshToken));
      await untilWaiting(test.dataSource, 1);
      await test.dataSource.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(await refresh).toBe('unavailable');
    });
    await killed;

    expect(await test.jwt.refresh(pair.refreshToken)).toMatchObject({ scope: 'read:notes' });
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
  });

  it('rejects with unavailable after a timeout, and the token still works', async () => {
    const impatient = await startJwtApp(
      {},
      { databaseUrl: test.databaseUrl, clock: test.clock, sigra: { lookupTimeout: 1000 } },
    );

    await holdingFamilies(test.dataSource, [familyIdOf(pair)], async () => {
      const refresh = refusalOf(impatient.jwt.refresh(pair.refreshToken));
      await untilWaiting(test.dataSource, 1);
      expect(await refresh).toBe('unavailable');
    });
    await impatient.close();

    expect(await test.jwt.refresh(pair.refreshToken)).toMatchObject({ scope: 'read:notes' });
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
  });
});

/** Changes the settings of the database for new connections. */
async function startWith(setting: string): Promise<{ test: JwtApp; close(): Promise<void> }> {
  const first = await startJwtApp();
  await first.dataSource.query(`ALTER DATABASE ${new URL(first.databaseUrl).pathname.slice(1)} SET ${setting}`);
  const test = await startJwtApp({}, { databaseUrl: first.databaseUrl, clock: first.clock });
  return {
    test,
    close: async () => {
      await test.close();
      await first.close();
    },
  };
}

describe('a refresh under other settings of the database', () => {
  it('is aborted when the family is locked for longer than lock_timeout, and works after that', async () => {
    const { test, close } = await startWith('lock_timeout = 50');
    const pair = await test.jwt.generateTokens(test.user, SCOPES);

    let refresh: unknown;
    await holdingFamilies(test.dataSource, [familyIdOf(pair)], async () => {
      refresh = await test.jwt.refresh(pair.refreshToken).catch((error: unknown) => error);
    });
    const next = await test.jwt.refresh(pair.refreshToken);
    await close();

    expect(refresh).toMatchObject({ code: 'refresh_aborted', cause: { code: '55P03' } });
    expect(next.scope).toBe('read:notes');
  });

  it.each(['repeatable read', 'serializable'])(
    'gives exactly one pair to 20 concurrent presentations, where %s is the default',
    async (level) => {
      const { test, close } = await startWith(`default_transaction_isolation = '${level}'`);

      for (let round = 0; round < 5; round++) {
        const pair = await test.jwt.generateTokens(test.user, SCOPES);
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () =>
            test.jwt.refresh(pair.refreshToken).then(
              () => 'issued',
              (error: unknown) => (error as { code?: string }).code,
            ),
          ),
        );
        const issued = outcomes.filter((outcome) => outcome === 'issued');
        const others = new Set(outcomes.filter((outcome) => outcome !== 'issued'));

        expect(issued).toHaveLength(1);
        for (const other of others) expect(['reuse_detected', 'token_revoked', 'refresh_aborted']).toContain(other);
      }
      await close();
    },
  );
});
