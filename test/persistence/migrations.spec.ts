import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiTokenEntity, AuditEventEntity, sigraEntities, sigraMigrations } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { createDatabase, type TestDatabase } from '../support/database.js';

const TABLES = [
  'sigra_api_tokens',
  'sigra_audit_events',
  'sigra_dpop_proofs',
  'sigra_idempotency_keys',
  'sigra_leases',
  'sigra_owner_types',
  'sigra_owners',
  'sigra_refresh_families',
  'sigra_refresh_tokens',
  'sigra_sweeps',
  'sigra_token_notices',
  'sigra_token_usage',
];

describe('sigraMigrations', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  const relations = async (kind: 'r' | 'i'): Promise<string[]> => {
    const rows = await dataSource.query<{ relname: string }[]>(
      `SELECT relname FROM pg_class WHERE relkind = $1 AND relname LIKE 'sigra%' ORDER BY relname`,
      [kind],
    );
    return rows.map(({ relname }) => relname);
  };
  /** The statements with which TypeORM would adapt the tables to the entities. */
  const pendingChanges = async () => {
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    return upQueries.map(({ query }) => query);
  };

  beforeEach(async () => {
    database = await createDatabase();
    dataSource = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: sigraEntities,
      migrations: sigraMigrations,
    }).initialize();
    await dataSource.runMigrations();
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('have stable names that TypeORM can order', () => {
    const names = sigraMigrations.map((migration) => new migration().name);

    expect(names).toEqual(['CreateApiTokens1767225600000', 'CreateRefreshTokens1767225600001']);
    expect(sigraMigrations.map(({ name }) => name)).toEqual(names);
  });

  it('create the tables and their indexes', async () => {
    expect(await relations('r')).toEqual(TABLES);
    expect(await relations('i')).toEqual([
      'sigra_api_tokens_created',
      'sigra_api_tokens_creator',
      'sigra_api_tokens_creator_revoked',
      'sigra_api_tokens_expired',
      'sigra_api_tokens_hash',
      'sigra_api_tokens_hint',
      'sigra_api_tokens_lineage',
      'sigra_api_tokens_origin',
      'sigra_api_tokens_owner',
      'sigra_api_tokens_owner_revoked',
      'sigra_api_tokens_pkey',
      'sigra_api_tokens_revoked',
      'sigra_api_tokens_secret',
      'sigra_audit_events_action',
      'sigra_audit_events_actor',
      'sigra_audit_events_failure',
      'sigra_audit_events_pkey',
      'sigra_audit_events_target',
      'sigra_audit_events_target_type',
      'sigra_audit_events_time',
      'sigra_dpop_proofs_end',
      'sigra_dpop_proofs_pkey',
      'sigra_idempotency_keys_end',
      'sigra_idempotency_keys_of_token',
      'sigra_idempotency_keys_pkey',
      'sigra_leases_pkey',
      'sigra_owner_types_pkey',
      'sigra_owners_epochs',
      'sigra_owners_pkey',
      'sigra_refresh_families_creator',
      'sigra_refresh_families_end',
      'sigra_refresh_families_lineage',
      'sigra_refresh_families_owner',
      'sigra_refresh_families_owner_revoked',
      'sigra_refresh_families_pkey',
      'sigra_refresh_tokens_hash',
      'sigra_refresh_tokens_live',
      'sigra_refresh_tokens_of_family',
      'sigra_refresh_tokens_parent',
      'sigra_refresh_tokens_pkey',
      'sigra_refresh_tokens_sealed',
      'sigra_sweeps_pkey',
      'sigra_token_notices_claim',
      'sigra_token_notices_pkey',
      'sigra_token_usage_day',
      'sigra_token_usage_pkey',
    ]);
  });

  it('store times in milliseconds, as JavaScript does', async () => {
    const rows = await dataSource.query<{ table: string; precision: number }[]>(
      `SELECT DISTINCT datetime_precision AS precision FROM information_schema.columns
       WHERE table_name LIKE 'sigra%' AND data_type LIKE 'timestamp%'`,
    );

    expect(rows).toEqual([{ precision: 3 }]);
  });

  it('leave nothing behind when they are reverted, and can run again', async () => {
    for (let left = sigraMigrations.length; left > 0; left--) await dataSource.undoLastMigration();
    const [tables, indexes] = [await relations('r'), await relations('i')];

    await dataSource.runMigrations();

    expect([tables, indexes]).toEqual([[], []]);
    expect(await relations('r')).toEqual(TABLES);
  });

  it('run only once', async () => {
    expect(await dataSource.runMigrations()).toEqual([]);
  });

  it('leave no changes for migration:generate', async () => {
    expect(await pendingChanges()).toEqual([]);
  });

  it('create tables that synchronize does not change', async () => {
    const before = await relations('i');

    await dataSource.synchronize();

    expect(await relations('i')).toEqual(before);
  });

  it('create exactly the columns of the entities', async () => {
    for (const metadata of dataSource.entityMetadatas) metadata.synchronize = true;

    const changes = await pendingChanges();

    // Only the migrations define indexes.
    expect(
      changes.filter(
        (change) =>
          !/^(?:DROP|CREATE)(?: UNIQUE)? INDEX|sigra_refresh_tokens_family|sigra_idempotency_keys_token|sigra_token_(?:notices|usage)_token/.test(
            change,
          ),
      ),
    ).toEqual([]);
    expect(changes.length).toBeGreaterThan(0);
  });

  it('create tables that the host can query through the entities, without token hashes', async () => {
    await dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       VALUES (gen_random_uuid(), 'user', 'ada', 0, 'CI', 'sigra_sk_', 'abcd', 'hash', '{read:notes}', '2026-01-01Z')`,
    );

    const tokens = await dataSource.getRepository(ApiTokenEntity).findBy({ ownerId: 'ada' });
    const events = await dataSource.getRepository(AuditEventEntity).find();

    expect(tokens).toEqual([
      expect.objectContaining({
        name: 'CI',
        scopes: ['read:notes'],
        createdAt: new Date('2026-01-01Z'),
        lastUsedAt: null,
      }),
    ]);
    expect(Object.keys(tokens[0]!)).not.toContain('tokenHash');
    expect(events).toEqual([]);
  });
});
