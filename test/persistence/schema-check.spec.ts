import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sigraEntities, SigraModule } from 'nestjs-sigra';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { boot } from '../support/boot.js';
import { Connection } from '../support/connection.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createMigratedDatabase } from '../support/migrated-database.js';

const REMEDY =
  "Run Sigra's migrations: add ...sigraMigrations to the migrations of the DataSource and set migrationsTransactionMode: 'each', " +
  'then run `npx typeorm migration:run -d dist/data-source.js` with the file that exports your DataSource, `DATABASE_URL=… npx sigra migration run`, which needs no file, or set migrationsRun: true';
const USERS = { provider: { findByIds: () => Promise.resolve([]) } };

describe('An application whose database lacks something', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await createMigratedDatabase();
    dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const start = async (url: string, more: Partial<DataSourceOptions> = {}) => {
    const host = new Connection(url, { entities: sigraEntities, more });
    try {
      const sigra = SigraModule.forRoot({ users: USERS, cleanup: { schedule: false } });
      await (await boot({ imports: [host.module, sigra] })).close();
    } finally {
      await host.close();
    }
  };

  it('boots when nothing is missing, also with columns and indexes of its own', async () => {
    await dataSource.query('ALTER TABLE sigra_api_tokens ADD team text');
    await dataSource.query('CREATE INDEX teams ON sigra_api_tokens (team)');

    await expect(start(database.url)).resolves.toBeUndefined();
  });

  it('does not boot without the migrations, and says how to run them', async () => {
    const empty = await createDatabase();

    await expect(start(empty.url)).rejects.toThrow(
      `sigra: dataSource has no table "public"."sigra_api_tokens". ${REMEDY}`,
    );
    await empty.drop();
  });

  it.each([
    ['a table', 'DROP TABLE sigra_sweeps', 'has no table "public"."sigra_sweeps"'],
    [
      'a column',
      'ALTER TABLE sigra_refresh_families DROP revoke_reason',
      'has no column "revoke_reason" in "public"."sigra_refresh_families"',
    ],
    [
      'an index',
      'DROP INDEX sigra_refresh_tokens_live',
      'has no valid index "sigra_refresh_tokens_live"',
      'Create it: CREATE UNIQUE INDEX "sigra_refresh_tokens_live" ON "sigra_refresh_tokens" (family_id) WHERE consumed_at IS NULL',
    ],
    [
      'a primary key',
      'ALTER TABLE sigra_owners DROP CONSTRAINT sigra_owners_pkey',
      'has no valid index "sigra_owners_pkey"',
    ],
    [
      'the validity of an index',
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sigra_api_tokens_hash'::regclass`,
      'has no valid index "sigra_api_tokens_hash"',
      'Drop it. Create it: CREATE UNIQUE INDEX "sigra_api_tokens_hash" ON "sigra_api_tokens" (token_hash)',
    ],
  ])('does not boot without %s', async (_what, sql, problem, remedy = REMEDY) => {
    await dataSource.query(sql);

    await expect(start(database.url)).rejects.toThrow(`sigra: dataSource ${problem}. ${remedy}`);
  });

  it.each([
    [
      'a column of another type',
      'ALTER TABLE sigra_api_tokens ALTER scopes TYPE jsonb USING to_jsonb(scopes)',
      'has the column "scopes" in "public"."sigra_api_tokens" as jsonb NOT NULL, not as text[] NOT NULL. Undo',
    ],
    [
      'a column that can be null',
      'ALTER TABLE sigra_refresh_families ALTER epoch DROP NOT NULL',
      'has the column "epoch" in "public"."sigra_refresh_families" as integer, not as integer NOT NULL',
    ],
    [
      'an index that is not unique',
      'DROP INDEX sigra_api_tokens_hash; CREATE INDEX sigra_api_tokens_hash ON sigra_api_tokens (token_hash)',
      'has the index "sigra_api_tokens_hash" as btree (token_hash), not as unique btree (token_hash). Drop it. Create it: CREATE UNIQUE',
    ],
    [
      'an index of other columns',
      'DROP INDEX sigra_dpop_proofs_end; CREATE INDEX sigra_dpop_proofs_end ON sigra_dpop_proofs (lower(proof_hash::text), expires_at)',
      'has the index "sigra_dpop_proofs_end" as btree (?, expires_at), not as btree (expires_at)',
    ],
    [
      'a unique index without its condition',
      'DROP INDEX sigra_refresh_tokens_live; CREATE UNIQUE INDEX sigra_refresh_tokens_live ON sigra_refresh_tokens (family_id)',
      'has the index "sigra_refresh_tokens_live" as unique btree (family_id), not as unique btree (family_id) with a condition',
    ],
    [
      'a foreign key',
      'ALTER TABLE sigra_refresh_tokens DROP CONSTRAINT sigra_refresh_tokens_family',
      'has no valid foreign key "sigra_refresh_tokens_family" with ON DELETE CASCADE',
    ],
  ])('does not boot with a difference: %s', async (_what, sql, problem) => {
    await dataSource.query(sql);

    await expect(start(database.url)).rejects.toThrow(`sigra: dataSource ${problem}`);
  });

  it('does not boot when the tables are in another schema than that of the DataSource', async () => {
    await dataSource.query('CREATE SCHEMA other');

    await expect(start(database.url, { schema: 'other' })).rejects.toThrow('has no table "other"."sigra_api_tokens"');
  });
});
