import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { inSeconds, putTokens, remainingTokens } from '../support/aged-rows.js';

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

  it('runs on one node at a time', async () => {
    const tokens = await putTokens(test, 3, { expiresAt: inSeconds(test, -1) });
    // Blocks the running clean-up in the middle of a batch, while it holds its advisory lock.
    const blocker = test.dataSource.createQueryRunner();
    await blocker.startTransaction();
    await blocker.query('LOCK TABLE sigra_api_tokens IN SHARE MODE');
    const busy = test.get(TokenCleanupService).cleanupExpiredTokens();
    await advisoryLockIsHeld(test);

    const idle = await other.get(TokenCleanupService).cleanupExpiredTokens();
    const left = await remainingTokens(test);
    await blocker.rollbackTransaction();
    await blocker.release();

    expect(idle).toMatchObject({ expiredTokens: 0, revokedTokens: 0, complete: false });
    expect(left).toHaveLength(tokens.length);
    expect(await busy).toMatchObject({ expiredTokens: 3, complete: true });
  });

  it('deletes and counts every row once, and no node fails', async () => {
    for (let round = 0; round < 10; round++) {
      await putTokens(test, 60, { expiresAt: inSeconds(test, -1) });

      const reports = await Promise.all(
        [test, other, test, other].map((node) => node.get(TokenCleanupService).cleanupExpiredTokens({ batchSize: 7 })),
      );

      const done = reports.filter(({ complete }) => complete);
      const deleted = reports.reduce((sum, { expiredTokens }) => sum + expiredTokens, 0);
      // A run that starts between two batches of another one ends that one early; rows can then remain for the next run.
      expect(deleted + (await remainingTokens(test)).length).toBe(60);
      if (done.length > 0) expect(await remainingTokens(test)).toEqual([]);
      await test.dataSource.query('TRUNCATE sigra_api_tokens');
    }
  });
});

async function advisoryLockIsHeld({ dataSource }: TestApp): Promise<void> {
  let held = false;
  while (!held) {
    const rows = await dataSource.query<unknown[]>(
      `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    held = rows.length > 0;
  }
}
