import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { AllowAnonymous, HealthProbe, sigraMigrations } from 'nestjs-sigra';
import { SigraHealthIndicator } from 'nestjs-sigra/terminus';
import { DataSource } from 'typeorm';
import { eventually } from '../support/eventually.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { USERS } from '../support/migrated-database.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS } from '../support/test-app.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly sigra: SigraHealthIndicator,
  ) {}

  @Get()
  @AllowAnonymous()
  @HealthCheck()
  check() {
    return this.health.check([() => this.sigra.check()]);
  }
}

const UP = { status: 'up', database: 'reachable', migrations: 'complete', cleanup: 'on_time' };
const WITHOUT_ANSWER = { status: 'down', migrations: 'unknown', clockDifference: null, cleanup: 'unknown' };
const LOOKUP_TIMEOUT = 1500;

describe.each(ADAPTERS)('SigraHealthIndicator of Terminus, on %s', (adapter) => {
  let cluster: PostgresCluster;
  let owner: DataSource;
  let host: HostApp;
  let repair: (() => unknown) | undefined;

  beforeAll(async () => {
    cluster = await PostgresCluster.start();
    owner = await connect();
    await owner.query(USERS);
    await owner.runMigrations();
    // A clock of the database that the tests set: this function is found before that of PostgreSQL.
    await owner.query('CREATE SCHEMA clock');
    await ahead(0);
    await owner.query('ALTER DATABASE postgres SET search_path = clock, pg_catalog, public');
    host = await startHost({
      adapter,
      databaseUrl: cluster.url,
      sigra: { lookupTimeout: LOOKUP_TIMEOUT, cleanup: { schedule: '0 3 * * *' } },
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [SigraHealthIndicator],
    });
  }, 120_000);
  afterEach(async () => {
    await repair?.();
    repair = undefined;
    await eventually(async () => (await health()).sigra.status === 'up');
  });
  afterAll(async () => {
    await host.close();
    await owner.destroy();
    await cluster.dispose();
  });

  const connect = () =>
    new DataSource({ type: 'postgres', url: cluster.url, migrations: sigraMigrations }).initialize();
  const ahead = (seconds: number) =>
    owner.query(`CREATE OR REPLACE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
      'SELECT pg_catalog.clock_timestamp() + interval ''${seconds} s'''`);
  const health = async () => {
    const start = performance.now();
    const response = await fetch(`${host.url}/health`);
    const body = (await response.json()) as { details: { sigra: Record<string, unknown> }; status: string };
    return {
      code: response.status,
      overall: body.status,
      sigra: body.details.sigra,
      text: JSON.stringify(body),
      took: performance.now() - start,
    };
  };
  const insertExpired = (type: string, expiry: string, count = 1) =>
    owner.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, expires_at, created_at)
       SELECT gen_random_uuid(), $1, '1', 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea), '{}', ${expiry}, '2020-01-01'
       FROM generate_series(1, $2::int)`,
      [type, count],
    );
  const deleteAll = () => owner.query('DELETE FROM sigra_api_tokens');
  /** A report is given again for a second. */
  const afterFreshness = () => new Promise((resolve) => setTimeout(resolve, 1100));
  const until = (wanted: object) =>
    eventually(async () => {
      const found = await health();
      expect(found.sigra).toMatchObject(wanted);
      return found;
    });

  it('is up', async () => {
    const { code, overall, sigra } = await health();

    expect({ code, overall, sigra }).toEqual({
      code: 200,
      overall: 'ok',
      sigra: { ...UP, clockDifference: expect.any(Number) },
    });
  });

  it.each([
    ['ahead of', -5, 5000],
    ['behind', 5, -5000],
  ])('is degraded while the clock of the machine is %s that of the database', async (_where, seconds, difference) => {
    await ahead(seconds);
    repair = () => ahead(0);

    const { code, overall, sigra } = await until({ status: 'degraded' });

    expect({ code, overall, sigra }).toMatchObject({
      code: 200,
      overall: 'degraded',
      sigra: { ...UP, status: 'degraded' },
    });
    expect(Math.abs(Number(sigra.clockDifference) - difference)).toBeLessThan(500);
  });

  it('is degraded while a token is not cleaned up after two nightly runs', async () => {
    await insertExpired('user', `now() - interval '3 days'`);
    repair = deleteAll;

    const { code, sigra } = await until({ status: 'degraded' });

    expect({ code, sigra }).toMatchObject({ code: 200, sigra: { cleanup: 'overdue', database: 'reachable' } });
  });

  it('is up with tokens that the next run deletes, or that the module of another type keeps', async () => {
    await insertExpired('user', `now() - interval '2 hours'`);
    await insertExpired('admin', `now() - interval '300 days'`, 1000);
    repair = deleteAll;
    await afterFreshness();

    expect(await host.app.get(HealthProbe).check()).toMatchObject(UP);
  });

  it('asks the database once a second, however many callers poll it', async () => {
    const log = QueryLog.of(host.app.get(DataSource));
    await afterFreshness();
    log.clear();

    const answers = await Promise.all(Array.from({ length: 50 }, () => health()));

    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([200]));
    expect(log.queries).toHaveLength(1);
  });

  it('is down while a table is missing', async () => {
    await owner.query('ALTER TABLE sigra_api_tokens RENAME TO moved');
    repair = () => owner.query('ALTER TABLE moved RENAME TO sigra_api_tokens');

    const { code, overall, sigra, text } = await until({ status: 'down', migrations: 'incomplete' });

    expect({ code, overall, sigra }).toEqual({
      code: 503,
      overall: 'error',
      sigra: { ...WITHOUT_ANSWER, database: 'reachable', migrations: 'incomplete' },
    });
    expect(text).not.toContain('sigra_api_tokens');
  });

  it('is down in time while PostgreSQL is frozen', async () => {
    repair = await cluster.freeze();

    const { code, sigra, took } = await until({ status: 'down' });

    expect({ code, sigra }).toEqual({ code: 503, sigra: { ...WITHOUT_ANSWER, database: 'unreachable' } });
    expect(took).toBeLessThan(LOOKUP_TIMEOUT + 1500);
  });

  it('is down while PostgreSQL is stopped, and up again afterwards', async () => {
    await owner.destroy();
    await cluster.stop('fast');
    repair = async () => {
      await cluster.startAgain();
      owner = await connect();
    };

    const { code, sigra, text } = await until({ status: 'down' });

    expect({ code, sigra }).toEqual({ code: 503, sigra: { ...WITHOUT_ANSWER, database: 'unreachable' } });
    expect(text).not.toMatch(/127\.0\.0\.1|postgres|ECONN/);
  });
});
