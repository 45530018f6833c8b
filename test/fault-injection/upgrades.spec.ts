import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sigraMigrations } from 'nestjs-sigra';
import pg from 'pg';
import { DataSource } from 'typeorm';
import ts from 'typescript';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { exampleMigrations } from '../support/example-migrations.js';
import { record } from '../support/fault-record.js';
import { FaultScene, ROUNDS } from '../support/fault-scene.js';
import { contradictions } from '../support/invariants.js';
import { JWT } from '../support/jwt-app.js';
import { QueryLog } from '../support/query-log.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';
import { ServerNode } from '../support/server-node.js';
import { ADAPTERS } from '../support/test-app.js';

const SECOND = 1000;
/** API tokens, refresh tokens and audit events: the long run has a million of each. */
const ROWS = ROUNDS > 1 ? 1_000_000 : 20_000;
/** Few: with all of the machine taken, a migration waits for its locks for a long time. */
const CLIENTS = 12;
/** Dead credentials get 401. */
const ALLOWED = [200, 201, 204, 401];
/**
 * Milliseconds for which a statement of the application can wait for a migration. Without a limit it waits as long as the
 * transaction of another program, which takes twenty times as long here.
 */
const LONGEST_WAIT = 100;

const migrator = (url: string) =>
  new DataSource({
    type: 'postgres',
    url,
    applicationName: 'migrator',
    migrations: [...sigraMigrations, ...exampleMigrations],
    migrationsTransactionMode: 'each',
  }).initialize();

describe(`With ${ROWS} tokens, under load`, () => {
  let scene: FaultScene;

  beforeAll(async () => {
    // No answer is 503 because the machine is slow.
    scene = await FaultScene.start(ADAPTERS, undefined, { clients: CLIENTS, node: { lookupTimeout: 30_000 } });
    await onDatabase(scene.adminUrl, seed);
  }, 20 * 60_000);
  afterAll(() => scene.close());

  it(
    'an application goes on while columns, indexes and constraints are added, removed and added again',
    async () => {
      const { load, adminUrl, proxy } = scene;
      const dataSource = await migrator(proxy.targetUrl);
      const log = new RetryLog();
      dataSource.logger = log;
      const before = await schemaSnapshot(adminUrl);
      const watch = await LockWatch.start(adminUrl);
      const steps: string[] = [];
      const step = async (name: string, work: () => Promise<unknown>) => {
        const start = performance.now();
        await work();
        steps.push(`${name} ${Math.round(performance.now() - start)} ms`);
      };
      load.start();
      await delay(SECOND);
      const start = performance.now();

      await step('up', () => besideAnother(adminUrl, () => dataSource.runMigrations()));
      const added = await schemaSnapshot(adminUrl);
      for (const { name } of exampleMigrations.toReversed()) {
        await step(`down ${name}`, () => besideAnother(adminUrl, () => dataSource.undoLastMigration()));
      }
      const removed = await schemaSnapshot(adminUrl);
      await step('up again', () => besideAnother(adminUrl, () => dataSource.runMigrations()));

      const end = performance.now();
      await delay(SECOND);
      await load.stop();
      const { waited, gap } = await watch.stop();
      const addedAgain = await schemaSnapshot(adminUrl);
      await dataSource.destroy();
      const during = load.served.filter((each) => each.start < end && each.end > start);
      const after = load.served.filter((each) => each.start >= end);
      const longest = (served: typeof during) =>
        Math.round(served.reduce((most, { start, end }) => Math.max(most, end - start), 0));
      await load.checkAll();
      await onDatabase(adminUrl, unseed);
      record('both adapters', {
        fault: `migrations with ${ROWS} tokens (${steps.join('; ')}; lock wait ${waited} ms, machine ${gap} ms, ${log.retries} retries)`,
        rounds: 1,
        during: byStatus(during),
        after: byStatus(after),
        longest: longest(during),
        recovery: 0,
        backends: 0,
        unknown: during.filter(({ status, isRepeatable }) => status === 503 && !isRepeatable).length,
        violations: load.violations,
        before: { heap: 0, timers: 0, sockets: 0, longestTurn: 0 },
        afterwards: { heap: 0, timers: 0, sockets: 0, longestTurn: 0 },
      });
      expect(added).toContain('sigra_api_tokens remark text');
      expect(addedAgain).toEqual(added);
      expect(removed).toEqual(before);
      expect([...load.violations, ...(await contradictions(adminUrl, load.acknowledged))]).toEqual([]);
      expect(during.filter(({ status }) => !ALLOWED.includes(status))).toEqual([]);
      expect(log.retries).toBeGreaterThan(0);
      expect(waited).toBeLessThan(LONGEST_WAIT + gap);
    },
    20 * 60_000,
  );

  it.each(ADAPTERS)(
    'a node of the version before on %s starts after the migrations',
    async (adapter) => {
      const { load, proxy, adminUrl } = scene;
      const node = await ServerNode.start({ adapter, databaseUrl: proxy.url, jwt: JWT });
      const headers = { 'x-session-user': await anyUser(adminUrl), 'content-type': 'application/json' };

      const made = await fetch(`${node.url}/api/tokens`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ name: 'CI', scopes: ['read:notes'] }),
      });
      const { rawToken } = (await made.json()) as { rawToken: string };
      const used = await load.send('use token', 'GET', '/me', { authorization: `Bearer ${rawToken}` });
      await node.stop();

      expect(await schemaSnapshot(adminUrl)).toContain('sigra_api_tokens remark text');
      expect([made.status, used.status]).toEqual([201, 200]);
    },
    60_000,
  );
});

describe('Several nodes that migrate an empty database', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(() => database.drop());

  it('all start with the lock of docs/operations.md, also when an index is made concurrently', async () => {
    const migrate = await documentedMigrate();
    const dataSources = await Promise.all(Array.from({ length: 5 }, () => migrator(database.url)));

    const ends = await Promise.allSettled(dataSources.map((dataSource) => migrate(dataSource)));

    await Promise.all(dataSources.map((dataSource) => dataSource.destroy()));
    const names = await onDatabase(database.url, (client) => client.query('SELECT name FROM migrations ORDER BY id'));
    expect(ends.map(({ status }) => status)).toEqual(Array(5).fill('fulfilled'));
    expect(names.rows).toEqual([...sigraMigrations, ...exampleMigrations].map(({ name }) => ({ name })));
  }, 60_000);

  it('refuses a migration without a transaction in the mode that is the default of TypeORM', async () => {
    const dataSource = await migrator(database.url);

    const run = dataSource.runMigrations({ transaction: 'all' });

    await expect(run).rejects.toThrow(/transaction/);
    await dataSource.destroy();
  }, 60_000);
});

/** The function in the docs that migrates under a lock. */
async function documentedMigrate(): Promise<(dataSource: DataSource) => Promise<void>> {
  const page = readFileSync('docs/operations.md', 'utf8');
  const [, code = ''] = /```ts\n((?:(?!```)[\s\S])*export async function migrate[\s\S]*?)```/.exec(page) ?? [];
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  const loaded = (await import(`data:text/javascript,${encodeURIComponent(outputText)}`)) as {
    migrate: (dataSource: DataSource) => Promise<void>;
  };
  return loaded.migrate;
}

/** Works while another program, such as a backup, has a transaction that has read the tokens. */
async function besideAnother(url: string, work: () => Promise<unknown>): Promise<void> {
  await onDatabase(url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM sigra_api_tokens LIMIT 1');
    const working = work();
    await delay(2 * SECOND);
    await client.query('COMMIT');
    await working;
  });
}

/** Counts the attempts of the migrations that have given up waiting for a lock. */
class RetryLog extends QueryLog {
  retries = 0;

  override logQueryError(): void {
    this.retries++;
  }
}

/** The longest time that a statement of the application has waited for a migration that has a lock, or waits for one. */
class LockWatch {
  private longest = 0;
  private gap = 0;
  private going = true;
  private readonly done: Promise<void>;

  private constructor(private readonly client: pg.Client) {
    this.done = this.watch();
  }

  static async start(url: string): Promise<LockWatch> {
    const client = new pg.Client(url);
    await client.connect();
    return new LockWatch(client);
  }

  /**
   * @returns milliseconds; `gap` is the longest time in which the watch itself, which needs no lock, did not proceed: by so much
   * the machine delays a migration that has its lock
   */
  async stop(): Promise<{ waited: number; gap: number }> {
    this.going = false;
    await this.done;
    await this.client.end();
    return { waited: Math.round(this.longest), gap: Math.round(this.gap) };
  }

  private async watch(): Promise<void> {
    while (this.going) {
      const start = performance.now();
      const { rows } = await this.client.query<{ waited: number }>(
        `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000), 0)::float AS waited
         FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE NOT l.granted AND l.locktype = 'relation' AND a.usename = 'host' AND a.application_name <> 'migrator'
           AND EXISTS (
             SELECT FROM pg_stat_activity m WHERE m.application_name = 'migrator' AND m.pid = ANY (pg_blocking_pids(l.pid)))`,
      );
      this.longest = Math.max(this.longest, rows[0]!.waited);
      await delay(5);
      this.gap = Math.max(this.gap, performance.now() - start - 5);
    }
  }
}

async function anyUser(url: string): Promise<string> {
  const { rows } = await onDatabase(url, (client) => client.query<{ id: string }>('SELECT id FROM users LIMIT 1'));
  return rows[0]!.id;
}

/** Rows of owners of another type, so that no client has them. */
async function seed(client: pg.Client): Promise<void> {
  const owners = ROWS / 10;
  await client.query(`
    INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
    SELECT uuidv7(), 'seeded', i % ${owners}, 0, 'token ' || i, 'sigra_sk_', '0000', sha256(i::text::bytea), '{read:notes}', now()
    FROM generate_series(1, ${ROWS}) i`);
  await client.query(`INSERT INTO sigra_owners SELECT 'seeded', i, 0, 0 FROM generate_series(1, ${owners}) i`);
  await client.query(`
    INSERT INTO sigra_audit_events (id, action, outcome, actor_id, actor_type, target_id, metadata, occurred_at)
    SELECT uuidv7(), 'seeded', 'success', i % ${owners}, 'user', i, '{}', now() FROM generate_series(1, ${ROWS}) i`);
  await client.query(`
    WITH family AS (
      INSERT INTO sigra_refresh_families (id, owner_type, owner_id, epoch, scopes, absolute_expires_at, created_at)
      SELECT uuidv7(), 'seeded', i, 0, '{}', now() + interval '1 day', now() FROM generate_series(1, ${ROWS}) i
      RETURNING id)
    INSERT INTO sigra_refresh_tokens (id, family_id, token_hash, expires_at, created_at)
    SELECT uuidv7(), id, sha256(id::text::bytea), now() + interval '1 day', now() FROM family`);
  await client.query('ANALYZE');
}

async function unseed(client: pg.Client): Promise<void> {
  for (const table of ['sigra_api_tokens', 'sigra_owners', 'sigra_refresh_families']) {
    await client.query(`DELETE FROM ${table} WHERE owner_type = 'seeded'`);
  }
  await client.query(`DELETE FROM sigra_audit_events WHERE action = 'seeded'`);
  await client.query('VACUUM ANALYZE');
}

function byStatus(served: readonly { readonly status: number }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of served) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
