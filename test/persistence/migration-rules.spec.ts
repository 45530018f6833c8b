import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { sigraMigrations } from 'nestjs-sigra';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { exampleMigrations } from '../support/example-migrations.js';
import { fillTables } from '../support/filled-tables.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { MigrationWatch } from '../support/migration-watch.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';

type Migration = new () => MigrationInterface;

const MIGRATIONS: readonly Migration[] = [...sigraMigrations, ...exampleMigrations];
const ROWS = 50;

let database: TestDatabase;
let dataSource: DataSource;

/** Connects with these migrations, as a host does. */
const connect = async (migrations: readonly Migration[]) =>
  (dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    migrations: [...migrations],
    migrationsTransactionMode: 'each',
    poolSize: 1,
  }).initialize());
/** Runs the migrations before one of them, and fills the tables. */
const prepare = async (before: readonly Migration[], next: readonly Migration[]) => {
  database = await (before.length < sigraMigrations.length ? createDatabase() : createMigratedDatabase());
  await connect(before);
  await dataSource.runMigrations();
  await dataSource.destroy();
  await onDatabase(database.url, (client) => fillTables(client, ROWS));
  await connect([...before, ...next]);
};

// The watch asks about every statement.
jest.setTimeout(180_000);

afterEach(async () => {
  await dataSource.destroy();
  await database.drop();
});

describe('A migration', () => {
  it.each(MIGRATIONS.map((migration) => [migration.name, migration] as const))(
    '%s lets the application use tables with rows, up, down and up again',
    async (_name, migration) => {
      await prepare(MIGRATIONS.slice(0, MIGRATIONS.indexOf(migration)), [migration]);
      const watch = await MigrationWatch.on(dataSource);
      const before = await schemaSnapshot(database.url);

      await dataSource.runMigrations();
      const up = await schemaSnapshot(database.url);
      await dataSource.undoLastMigration();
      const down = await schemaSnapshot(database.url);
      await dataSource.runMigrations();

      expect(await watch.findings()).toEqual([]);
      expect(down).toEqual(before);
      expect(await schemaSnapshot(database.url)).toEqual(up);
    },
  );

  it.each(exampleMigrations.map((migration) => [migration.name, migration] as const))(
    '%s can be repeated when its process was killed after any of its statements',
    async (_name, migration) => {
      await prepare(MIGRATIONS.slice(0, MIGRATIONS.indexOf(migration)), []);
      const runner = dataSource.createQueryRunner();
      const query = runner.query.bind(runner);
      let left = Infinity;
      runner.query = async (...args: Parameters<typeof query>) => {
        const result = (await query(...args)) as never;
        if (--left === 0) throw new Error('killed');
        return result;
      };
      const killedAfter = async (count: number, work: () => Promise<void>) => {
        left = count;
        await work().catch(() => undefined);
        const wasKilled = left <= 0;
        left = Infinity;
        await work();
        return wasKilled;
      };
      const { up, down } = { up: () => new migration().up(runner), down: () => new migration().down(runner) };
      const before = await schemaSnapshot(database.url);
      await up();
      const after = await schemaSnapshot(database.url);
      await down();

      let wasKilled = true;
      for (let count = 1; wasKilled; count++) {
        wasKilled = await killedAfter(count, up);
        expect(await schemaSnapshot(database.url)).toEqual(after);
        wasKilled = (await killedAfter(count, down)) || wasKilled;
        expect(await schemaSnapshot(database.url)).toEqual(before);
      }
      await runner.release();
    },
  );
});

describe('The check of migrations finds', () => {
  const LOCK = 'SET LOCAL lock_timeout = 50;';

  it.each([
    [
      'a lock that is waited for without a limit',
      'ALTER TABLE sigra_api_tokens ADD x text',
      'waits without a limit for',
    ],
    [
      'a limit that is too long',
      'SET LOCAL lock_timeout = 5000; ALTER TABLE sigra_api_tokens ADD x text',
      'waits without a limit for',
    ],
    [
      'a reference to a table with rows from a new one',
      'CREATE TABLE sigra_more (id uuid REFERENCES sigra_api_tokens)',
      'waits without a limit for',
    ],
    [
      'a default that is not a constant',
      `${LOCK} ALTER TABLE sigra_api_tokens ADD x uuid DEFAULT gen_random_uuid()`,
      'writes a new file for',
    ],
    ['another type', `${LOCK} ALTER TABLE sigra_sweeps ALTER token_epoch TYPE bigint`, 'writes a new file for'],
    [
      'a column that must not be null any more',
      `${LOCK} ALTER TABLE sigra_api_tokens ALTER COLUMN revoke_reason SET NOT NULL`,
      'reads under a lock the rows of',
    ],
    [
      'a condition that is checked under a lock',
      `${LOCK} ALTER TABLE sigra_api_tokens ADD CHECK (token_epoch >= 0)`,
      'reads under a lock the rows of',
    ],
    [
      'a reference that is checked under a lock',
      `${LOCK} ALTER TABLE sigra_idempotency_keys ADD FOREIGN KEY (token_id) REFERENCES sigra_api_tokens`,
      'reads under a lock the rows of',
    ],
    [
      'an index that keeps writes out',
      `${LOCK} CREATE INDEX sigra_x ON sigra_api_tokens (name)`,
      'reads under a lock the rows of',
    ],
    ['a key', `${LOCK} ALTER TABLE sigra_api_tokens ADD UNIQUE (id, name)`, 'reads under a lock the rows of'],
    ['an update of all rows', `UPDATE sigra_api_tokens SET description = name`, 'writes at once all rows of'],
  ])('%s', async (_what, sql, finding) => {
    class Bad1900000000009 implements MigrationInterface {
      readonly name = 'Bad1900000000009';
      readonly transaction = false;
      async up(runner: QueryRunner) {
        await runner.query(sql);
      }
      down = () => Promise.resolve();
    }
    await prepare(sigraMigrations, [Bad1900000000009]);
    await dataSource.query(`UPDATE sigra_api_tokens SET revoke_reason = 'revoked'`);
    const watch = await MigrationWatch.on(dataSource);

    await dataSource.runMigrations();

    expect(await watch.findings()).toContainEqual(expect.stringContaining(finding));
  });

  it('a lock that is kept until the end of a transaction', async () => {
    class Kept1900000000009 implements MigrationInterface {
      readonly name = 'Kept1900000000009';
      async up(runner: QueryRunner) {
        await runner.query(`${LOCK} ALTER TABLE sigra_api_tokens ADD x text`);
      }
      down = () => Promise.resolve();
    }
    await prepare(sigraMigrations, [Kept1900000000009]);
    const watch = await MigrationWatch.on(dataSource);

    await dataSource.runMigrations();

    expect(await watch.findings()).toEqual([expect.stringMatching(/^keeps until the end .* sigra_api_tokens/)]);
  });
});
