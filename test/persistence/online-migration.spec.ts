import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sigraMigrations } from 'nestjs-sigra';
import { DataSource, type QueryRunner } from 'typeorm';
import { migratedObjects } from '../../libs/sigra/src/persistence/migrated-objects.js';
import { onDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import {
  AddMaker1900000000002,
  AddNameIndex1900000000001,
  AddRemark1900000000000,
  exampleMigrations,
} from '../support/example-migrations.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { QueryLog } from '../support/query-log.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';
import { untilWaiting } from '../support/locks.js';

describe('A migration of tables in use', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let runner: QueryRunner;

  const connect = async (options = '') => {
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      migrations: [...sigraMigrations, ...exampleMigrations],
      extra: { options },
    }).initialize();
    runner = dataSource.createQueryRunner();
  };

  beforeEach(async () => {
    database = await createMigratedDatabase();
  });
  afterEach(async () => {
    await runner.release();
    await dataSource.destroy();
    await database.drop();
  });

  it('gives up waiting for a lock, lets others go first, and gets it later', async () => {
    await connect();
    const log = QueryLog.of(dataSource);
    const attempts = () => log.matching(/ADD COLUMN IF NOT EXISTS remark/).length;

    await onDatabase(database.url, async (other) => {
      await other.query('BEGIN');
      await other.query('SELECT FROM sigra_api_tokens');
      const migrating = new AddRemark1900000000000().up(runner);
      await untilWaiting(dataSource, 1);
      // Queues behind the migration, and would wait as long as the other transaction.
      await dataSource.query('SELECT FROM sigra_api_tokens');
      await eventually(() => attempts() > 1);
      await other.query('COMMIT');
      await migrating;
    });

    expect(await schemaSnapshot(database.url)).toContain('sigra_api_tokens remark text');
  });

  it('builds an index again that a failed attempt has left invalid', async () => {
    await connect();
    const before = await schemaSnapshot(database.url);
    await onDatabase(database.url, async (other) => {
      await other.query('BEGIN');
      await other.query('LOCK sigra_api_tokens IN ROW EXCLUSIVE MODE');
      const building = new AddNameIndex1900000000001().up(runner);
      await untilWaiting(dataSource, 1);
      await dataSource.query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'`,
      );
      await expect(building).rejects.toThrow();
      await other.query('COMMIT');
    });
    const failed = await schemaSnapshot(database.url);

    await new AddNameIndex1900000000001().up(runner);

    const added = (await schemaSnapshot(database.url)).filter((each) => !before.includes(each));
    expect(failed.filter((each) => each.endsWith('INVALID'))).toHaveLength(1);
    expect(added).toHaveLength(3);
    expect(added.filter((each) => each.endsWith('INVALID'))).toEqual([]);
  });

  it('builds an index without the time limits of the connection, and restores them', async () => {
    await connect('-c statement_timeout=300 -c lock_timeout=200');

    await onDatabase(database.url, async (other) => {
      await other.query('BEGIN');
      await other.query('LOCK sigra_api_tokens IN ROW EXCLUSIVE MODE');
      const building = new AddNameIndex1900000000001().up(runner);
      await other.query('SELECT pg_sleep(0.6)');
      await other.query('COMMIT');
      await building;
    });

    expect(await runner.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '300ms' }]);
    expect(await runner.query('SHOW lock_timeout')).toEqual([{ lock_timeout: '200ms' }]);
  });

  it('does not run in a transaction that would keep its locks, and names the remedy', async () => {
    await connect();
    await runner.startTransaction();

    const refused = new AddMaker1900000000002().up(runner);
    await expect(refused).rejects.toThrow(
      "sigra: AddMaker1900000000002 cannot run in a transaction, which would keep its locks. Set migrationsTransactionMode: 'each'",
    );
    await runner.rollbackTransaction();
    await expect(dataSource.runMigrations()).rejects.toThrow(
      'override the transaction mode, but the global transaction mode is "all"',
    );
  });

  it('changes the tables of a schema and a prefix', async () => {
    await connect();
    await runner.query('CREATE SCHEMA "other schema"');
    const other = await new DataSource({
      type: 'postgres',
      url: database.url,
      schema: 'other schema',
      entityPrefix: 'acme_',
      migrations: [...sigraMigrations, ...exampleMigrations],
      migrationsTransactionMode: 'each',
    }).initialize();
    const before = await schemaSnapshot(database.url);

    await other.runMigrations();
    for (let left = exampleMigrations.length; left > 0; left--) await other.undoLastMigration();
    await other.runMigrations();
    await other.destroy();

    const found = await runner.query(
      `SELECT indexname FROM pg_indexes WHERE schemaname = 'other schema' AND indexname LIKE '%\\_name' OR indexname LIKE '%\\_address'`,
    );
    expect(found).toEqual([{ indexname: 'acme_sigra_api_tokens_name' }]);
    expect(await schemaSnapshot(database.url)).toEqual(before);
  });

  it('is known to the check at boot: what it adds is demanded, and not what it drops', async () => {
    await connect();

    const { indexes, foreignKeys } = await migratedObjects(dataSource, [...sigraMigrations, ...exampleMigrations]);

    const names = indexes.map(({ name }) => name);
    expect(indexes).toContainEqual({
      name: '"sigra_refresh_tokens_id"',
      shape: 'unique btree (id, family_id)',
      statement: 'CREATE UNIQUE INDEX CONCURRENTLY "sigra_refresh_tokens_id" ON "sigra_refresh_tokens" (id, family_id)',
    });
    expect(names).not.toContain('"sigra_audit_events_address"');
    expect(foreignKeys).toContain('"sigra_refresh_tokens_maker"');
  });
});
