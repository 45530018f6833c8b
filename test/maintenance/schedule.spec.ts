import { describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { QueryLog } from '../support/query-log.js';
import { startTestApp } from '../support/test-app.js';
import { inSeconds, putTokens, remainingTokens } from '../support/aged-rows.js';

const JOB = 'sigra:cleanup';

describe('the schedule of clean-up', () => {
  it('defaults to every night at three', async () => {
    const test = await startTestApp({ sigra: { cleanup: {} } });

    const job = test.get(SchedulerRegistry).getCronJob(JOB);
    const next = job.nextDate();
    await test.close();

    expect(job.cronTime.source).toBe('0 3 * * *');
    expect([next.hour, next.minute, next.second]).toEqual([3, 0, 0]);
  });

  it('can be configured', async () => {
    const test = await startTestApp({ sigra: { cleanup: { schedule: '*/5 * * * *' } } });

    const { source } = test.get(SchedulerRegistry).getCronJob(JOB).cronTime;
    await test.close();

    expect(source).toBe('*/5 * * * *');
  });

  it('does not exist with schedule: false', async () => {
    const test = await startTestApp({ sigra: { cleanup: { schedule: false } } });

    const jobs = [...test.get(SchedulerRegistry).getCronJobs().keys()];
    await test.close();

    expect(jobs).toEqual([]);
  });

  it('starts a clean-up at its time', async () => {
    const test = await startTestApp({ sigra: { cleanup: {} } });
    await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });

    await test.get(SchedulerRegistry).getCronJob(JOB).fireOnTick();
    const left = await remainingTokens(test);
    await test.close();

    expect(left).toEqual([]);
  });

  it('logs a failure and does not throw', async () => {
    const test = await startTestApp({ sigra: { cleanup: {} } });
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME TO elsewhere');

    await test.get(SchedulerRegistry).getCronJob(JOB).fireOnTick();
    const [text] = error.mock.calls[0] ?? [];
    error.mockRestore();
    await test.close();

    expect(text).toMatch(/^Clean-up failed and will run again at the next scheduled time: .*sigra_api_tokens/);
  });

  it('skips a run while the previous one is still active', async () => {
    const test = await startTestApp({ sigra: { cleanup: {} } });
    const job = test.get(SchedulerRegistry).getCronJob(JOB);
    const log = QueryLog.of(test.dataSource);

    await Promise.all([job.fireOnTick(), job.fireOnTick()]);
    const attempts = log.matching(/pg_try_advisory_xact_lock/).length;
    log.clear();
    await job.fireOnTick();
    await test.close();

    expect(attempts).toBe(log.matching(/pg_try_advisory_xact_lock/).length);
  });

  it('stops with the application', async () => {
    const test = await startTestApp({ sigra: { cleanup: {} } });
    const job = test.get(SchedulerRegistry).getCronJob(JOB);

    const before = job.isActive;
    await test.close();

    expect([before, job.isActive]).toEqual([true, false]);
  });
});
