import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';
import { inSeconds, putTokens, remainingTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { untilWaiting } from '../support/locks.js';

describe('clean-up on two nodes', () => {
  let test: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
    other = await startTestApp({ databaseUrl: test.databaseUrl, clock: test.clock });
  });
  afterAll(async () => {
    await other.close();
    await test.close();
  });

  /** Blocks a clean-up in the middle of its first batch. @returns ends it */
  const block = async () => {
    const blocker = test.dataSource.createQueryRunner();
    await blocker.startTransaction();
    await blocker.query('LOCK TABLE sigra_api_tokens IN SHARE MODE');
    return async () => {
      await blocker.rollbackTransaction();
      await blocker.release();
    };
  };

  it('runs on one node at a time', async () => {
    const tokens = await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });
    const unblock = await block();
    const busy = test.get(TokenCleanupService).cleanupExpiredTokens();
    await untilWaiting(test.dataSource, 1);

    const idle = await other.get(TokenCleanupService).cleanupExpiredTokens();
    const left = await remainingTokens(test);
    await unblock();

    expect(idle).toMatchObject({ expiredTokens: 0, revokedTokens: 0, complete: false });
    expect(left).toHaveLength(tokens.length);
    expect(await busy).toMatchObject({ expiredTokens: 3, complete: true });
  });

  it('is finished by exactly one of the runs that start together, in 60 nights', async () => {
    for (let night = 0; night < 60; night++) {
      await putTokens(test, 60, { expiresAt: inSeconds(test, -3600) });

      // No run begins after another has finished.
      const unblock = await block();
      let ended = 0;
      const runs = [test, other, test].map(async (node) => {
        const report = await node.get(TokenCleanupService).cleanupExpiredTokens({ batchSize: 31 });
        ended++;
        return report;
      });
      await eventually(() => ended === 2);
      await unblock();
      const reports = await Promise.all(runs);

      expect(reports.map(({ expiredTokens }) => expiredTokens).sort()).toEqual([0, 0, 60]);
      expect(reports.filter(({ complete }) => complete)).toHaveLength(1);
      expect(await remainingTokens(test)).toEqual([]);
    }
  });

  it('continues on another node after the lease of a dead one has expired', async () => {
    await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });
    const dead = (expiresIn: string) =>
      test.dataSource.query(
        `INSERT INTO sigra_leases VALUES ('cleanup:user', gen_random_uuid(), now() + $1::interval)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at`,
        [expiresIn],
      );

    await dead('1 minute');
    const before = await other.get(TokenCleanupService).cleanupExpiredTokens();
    await dead('0 seconds');
    const after = await other.get(TokenCleanupService).cleanupExpiredTokens();

    expect(before).toMatchObject({ expiredTokens: 0, complete: false });
    expect(after).toMatchObject({ expiredTokens: 3, complete: true });
  });

  it('leaves the credentials of other types of owners, and works beside their clean-up', async () => {
    const users = { ...SIGRA_OPTIONS.users, type: 'admin' };
    const admins = await startTestApp({ databaseUrl: test.databaseUrl, clock: test.clock, sigra: { users } });
    const ended = { expiresAt: inSeconds(test, -3600) };
    const [ours, theirs] = [await putTokens(test, 3, ended), await putTokens(test, 2, ended)];
    const revoked = await putTokens(test, 1, { revokedAt: inSeconds(test, -100 * 86_400) });
    await test.dataSource.query(
      `INSERT INTO sigra_refresh_families (id, owner_type, owner_id, epoch, scopes, absolute_expires_at, created_at)
       SELECT gen_random_uuid(), 'admin', '1', 0, '{*}', $1, '2020-01-01'`,
      [ended.expiresAt],
    );
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_type = 'admin' WHERE id = ANY ($1)`, [
      [...theirs, ...revoked],
    ]);

    const [first, second] = await Promise.all(
      [test, admins].map((node) => node.get(TokenCleanupService).cleanupExpiredTokens()),
    );

    expect(first).toMatchObject({ expiredTokens: ours.length, revokedTokens: 0, refreshFamilies: 0, complete: true });
    expect(second).toMatchObject({
      expiredTokens: theirs.length,
      revokedTokens: 1,
      refreshFamilies: 1,
      complete: true,
    });
    await admins.close();
  });
});
