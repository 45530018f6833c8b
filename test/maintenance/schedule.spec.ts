import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Logger, Module } from '@nestjs/common';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { SigraModule, type SigraModuleOptions, TokenCleanupService } from 'nestjs-sigra';
import { inSeconds, putTokens, remainingTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { QueryLog } from '../support/query-log.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, type TestAppOptions, type User } from '../support/test-app.js';

const JOB = 'sigra:cleanup';

describe('the schedule of clean-up', () => {
  let test: TestApp;
  afterEach(() => test.close());

  /** An application that has a scheduler itself. */
  const startScheduled = async (cleanup: SigraModuleOptions<User>['cleanup'], options: TestAppOptions = {}) => {
    @Module({ imports: [ScheduleModule.forRoot()] })
    class SchedulingModule {}

    test = await startTestApp({ ...options, sigra: { cleanup }, imports: [SchedulingModule] });
    return test.get(SchedulerRegistry);
  };

  it('defaults to every night at three', async () => {
    const job = (await startScheduled({})).getCronJob(JOB);
    const next = job.nextDate();

    expect(job.cronTime.source).toBe('0 3 * * *');
    expect([next.hour, next.minute, next.second]).toEqual([3, 0, 0]);
  });

  it('can be configured', async () => {
    const registry = await startScheduled({ schedule: '*/5 * * * *' });

    expect(registry.getCronJob(JOB).cronTime.source).toBe('*/5 * * * *');
  });

  it('does not exist with schedule: false', async () => {
    const registry = await startScheduled({ schedule: false });

    expect([...registry.getCronJobs().keys()]).toEqual([]);
  });

  it('starts a clean-up at its time', async () => {
    const registry = await startScheduled({});
    await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });

    await registry.getCronJob(JOB).fireOnTick();

    expect(await remainingTokens(test)).toEqual([]);
  });

  it('starts it without a scheduler of the application', async () => {
    test = await startTestApp({ sigra: { cleanup: { schedule: '* * * * * *' } } });
    await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });

    while ((await remainingTokens(test)).length > 0) await new Promise((resolve) => setTimeout(resolve, 50));

    expect(await remainingTokens(test)).toEqual([]);
  });

  it('logs a failure and does not throw', async () => {
    const registry = await startScheduled({});
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME TO elsewhere');

    await registry.getCronJob(JOB).fireOnTick();
    const [text] = error.mock.calls[0] ?? [];
    error.mockRestore();

    expect(text).toMatch(/^Clean-up failed and will run again at the next scheduled time: .*sigra_api_tokens/);
  });

  it('skips a run while the previous one is still active', async () => {
    const job = (await startScheduled({})).getCronJob(JOB);
    const log = QueryLog.of(test.dataSource);
    const runs = () => log.matching(/DELETE FROM "public"\."sigra_leases"/).length;

    await Promise.all([job.fireOnTick(), job.fireOnTick()]);
    const together = runs();
    await job.fireOnTick();

    expect([together, runs()]).toEqual([1, 2]);
  });

  it('tries a step again when the database does not answer', async () => {
    const registry = await startScheduled({});
    await putTokens(test, 3, { expiresAt: inSeconds(test, -3600) });
    // A sequence keeps its number when a transaction is rolled back.
    await test.dataSource.query(`CREATE SEQUENCE outages;
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('outages') <= 2 THEN RAISE 'too many connections' USING ERRCODE = '53300'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fail BEFORE INSERT ON sigra_leases FOR EACH ROW EXECUTE FUNCTION fail()`);

    await registry.getCronJob(JOB).fireOnTick();

    expect(await remainingTokens(test)).toEqual([]);
  });

  it('runs again a minute after an outage that lasts', async () => {
    const registry = await startScheduled({});
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    await test.dataSource.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE 'too many connections' USING ERRCODE = '53300';
      END $$;
      CREATE TRIGGER fail BEFORE INSERT ON sigra_leases FOR EACH ROW EXECUTE FUNCTION fail()`);

    await registry.getCronJob(JOB).fireOnTick();
    const [text] = error.mock.calls[0] ?? [];
    error.mockRestore();

    expect(text).toMatch(/^Clean-up failed and will run again in a minute: /);
  });

  it('ends a run between two batches when the application shuts down, and the next run does the rest', async () => {
    const registry = await startScheduled({ batchSize: 1 });
    const { databaseUrl } = test;
    await putTokens(test, 500, { expiresAt: inSeconds(test, -3600) });
    const other = await startTestApp({ databaseUrl, clock: test.clock });

    const run = registry.getCronJob(JOB).fireOnTick();
    await eventually(async () => (await remainingTokens(other)).length < 490);
    await test.app.close();
    await run;
    const left = (await remainingTokens(other)).length;
    const { complete } = await other.get(TokenCleanupService).cleanupExpiredTokens();

    expect(left).toBeGreaterThan(0);
    expect(complete).toBe(true);
    expect(await remainingTokens(other)).toEqual([]);
    await other.close();
  });

  it('stops with the application', async () => {
    const job = (await startScheduled({})).getCronJob(JOB);

    const before = job.isActive;
    await test.app.close();

    expect([before, job.isActive]).toEqual([true, false]);
  });
});

describe('An application with jobs of its own', () => {
  let test: TestApp;
  let host: HostApp;
  afterEach(async () => {
    await host.close();
    await test.close();
  });

  it('runs each of them once, and finds one clean-up for each module', async () => {
    test = await startTestApp();
    const ticks: number[] = [];
    let registry!: SchedulerRegistry;

    @Injectable()
    class Jobs {
      constructor(scheduler: SchedulerRegistry) {
        registry = scheduler;
      }

      @Cron('* * * * * *')
      tick() {
        ticks.push(Math.floor(Date.now() / 1000));
      }
    }

    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: { cleanup: {} },
      imports: [
        ScheduleModule.forRoot(),
        SigraModule.forRoot({
          ...SIGRA_OPTIONS,
          users: { ...SIGRA_OPTIONS.users, type: 'admin' },
          cleanup: {},
          controllers: {},
        }),
      ],
      providers: [Jobs],
    });
    while (ticks.length < 3) await new Promise((resolve) => setTimeout(resolve, 50));

    expect(new Set(ticks).size).toBe(ticks.length);
    expect([...registry.getCronJobs().keys()].filter((name) => name.startsWith(JOB))).toEqual([JOB, `${JOB}:admin`]);
  });
});
