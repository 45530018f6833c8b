import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sigraEntities, SigraModule, sigraMigrations } from 'nestjs-sigra';
import { FakeClock } from 'nestjs-sigra/testing';
import { DataSource } from 'typeorm';
import { boot } from '../support/boot.js';
import { Connection } from '../support/connection.js';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { exampleMigrations } from '../support/example-migrations.js';
import { fillTables } from '../support/filled-tables.js';
import { closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { MAIN_JWT, MAIN_RESULTS, MAIN_SIGRA, mainFlows, START } from '../support/main-flows.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';

/** What a later version adds to each table: a column that needs a value, and one that does not. */
const MORE_COLUMNS = `
  DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'sigra%' LOOP
      EXECUTE format('ALTER TABLE %I ADD later integer NOT NULL DEFAULT 1, ADD remarks text', found.relname);
    END LOOP;
  END $$`;

describe('A database of a later version', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createMigratedDatabase(USERS);
    const later = await new DataSource({
      type: 'postgres',
      url: database.url,
      migrations: [...sigraMigrations, ...exampleMigrations],
      migrationsTransactionMode: 'each',
    }).initialize();
    await later.runMigrations();
    await later.query(MORE_COLUMNS);
    await later.query(
      'CREATE TABLE sigra_later (token_id uuid NOT NULL REFERENCES sigra_api_tokens ON DELETE CASCADE)',
    );
    await later.destroy();
  });
  afterEach(async () => {
    await closeJwtApps();
    await database.drop();
  });

  it('serves an application of this one, whose statements name their columns', async () => {
    const test = await startJwtApp(MAIN_JWT, {
      databaseUrl: database.url,
      clock: new FakeClock(START),
      sigra: MAIN_SIGRA,
    });

    expect(await mainFlows(test)).toEqual(MAIN_RESULTS);
  });

  it('serves the entities of this one', async () => {
    await onDatabase(database.url, (client) => fillTables(client, 3));
    const host = await new DataSource({ type: 'postgres', url: database.url, entities: sigraEntities }).initialize();

    for (const { target } of host.entityMetadatas) {
      const repository = host.getRepository(target);
      const rows = await repository.find();
      await repository.save(rows);

      expect(rows).toHaveLength(3);
      expect(rows.flatMap((row) => Object.keys(row))).not.toContain('later');
    }
    await host.destroy();
  });

  it('loses nothing to an application of this one with synchronize', async () => {
    await onDatabase(database.url, (client) => fillTables(client, 3));
    const before = await schemaSnapshot(database.url);

    for (const entities of [sigraEntities, []]) {
      const options = { type: 'postgres', url: database.url, entities, synchronize: true } as const;
      await (await new DataSource(options).initialize()).destroy();
    }

    const count = await onDatabase(database.url, (client) =>
      client.query<{ count: number }>('SELECT count(*)::int FROM sigra_api_tokens'),
    );
    expect(await schemaSnapshot(database.url)).toEqual(before);
    expect(count.rows).toEqual([{ count: 3 }]);
  });
});

describe('A database of an earlier version', () => {
  it('refuses an application of this one, which names the remedy', async () => {
    const database = await createDatabase();
    const migrations = sigraMigrations.slice(0, -1);
    const host = new Connection(database.url, { entities: sigraEntities, migrations });
    const sigra = SigraModule.forRoot({
      users: { provider: { findByIds: () => Promise.resolve([]) } },
      cleanup: { schedule: false },
    });

    const booting = boot({ imports: [host.module, sigra] });

    await expect(booting).rejects.toThrow(
      /has no table .*\. Run Sigra's migrations: .*migrationsTransactionMode: 'each'/,
    );
    await host.close();
    await database.drop();
  });
});
