import pg from 'pg';
import { typeOrmDataSource } from '../contestants/host.js';
import { withClient } from './database.js';
import { rawTokenSql, userIdSql } from './tokens.js';

/** Creates the tables of the host and, with its migrations, of Sigra, and users 1 to `users`. */
export async function createTables(url: string, users: number): Promise<void> {
  const dataSource = await typeOrmDataSource(url);
  await dataSource.runMigrations();
  await dataSource.query(
    `CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL, password_hash text NOT NULL, disabled_at timestamptz)`,
  );
  await dataSource.query(
    `INSERT INTO users SELECT (${userIdSql('i')})::uuid, 'user' || i || '@example.com', 'none'
     FROM generate_series(1, ${users}) i`,
  );
  await dataSource.destroy();
}

export interface TokenSeed {
  /** Number of the first token. @default 1 */
  readonly from?: number;
  readonly count: number;
  /** SQL of the owner's number, as a function of the token's number `i`. */
  readonly owner: string;
  /** SQL of `expires_at`. @default NULL */
  readonly expiresAt?: string;
  /** SQL of `created_at`. @default now() */
  readonly createdAt?: string;
  /**
   * SQL of `last_used_at`. By default late enough that no run records a use, so that reads are measured without
   * writes.
   */
  readonly lastUsedAt?: string;
  /** Further columns, with the SQL of their values. @default none */
  readonly limits?: Readonly<Record<string, string>>;
}

/** Limits that a verification has to check, for `limits`. */
export const LIMITS = {
  // The load over HTTP is of the same machine.
  allowed_ips: `'{198.51.100.0/24,203.0.113.0/24,2001:db8::/32,127.0.0.0/8}'`,
  resources: `'{project:42,project:43}'`,
};
/** A caller at one of the addresses that `LIMITS` allows. */
export const CALLER = { ipAddress: '203.0.113.7' };

/** Above this number, rows are inserted without indexes, which are built afterwards: this is faster. */
const MANY = 100_000;

/** Fills the table of tokens, over two connections. */
export async function seedTokens(url: string, seed: TokenSeed): Promise<void> {
  const { from = 1, count, owner, expiresAt = 'NULL', createdAt = 'now()' } = seed;
  const lastUsedAt = seed.lastUsedAt ?? "now() + interval '1 hour'";
  const limits = Object.entries(seed.limits ?? {});
  const insert = (first: number, last: number) => `
    INSERT INTO sigra_api_tokens
      (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, expires_at, last_used_at, created_at${limits.map(([column]) => `, ${column}`).join('')})
    SELECT uuidv7(), 'user', ${userIdSql(owner)}, 0, 'token ' || i, 'sigra_sk_', '0000',
      sha256(convert_to(${rawTokenSql('i')}, 'UTF8')), ARRAY['read:projects', 'write:projects'],
      ${expiresAt}, ${lastUsedAt}, ${createdAt}${limits.map(([, value]) => `, ${value}`).join('')}
    FROM generate_series(${first}, ${last}) i`;
  const middle = from + Math.floor(count / 2);
  const insertAll = () =>
    Promise.all([
      withClient(url, (client) => client.query(insert(from, middle - 1))),
      withClient(url, (client) => client.query(insert(middle, from + count - 1))),
    ]);
  await (count < MANY ? insertAll() : withoutIndexes(url, 'sigra_api_tokens', insertAll));
  // Whatever creates a token also creates the row of its owner.
  await withClient(url, (client) =>
    client.query(
      `INSERT INTO sigra_owners SELECT DISTINCT owner_type, owner_id, 0, 0 FROM sigra_api_tokens ON CONFLICT DO NOTHING`,
    ),
  );
  await settle(url);
}

/**
 * Completes the work that seeding leaves to PostgreSQL, and loads the tables into the server's memory, where tables in use
 * are.
 */
export async function settle(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_prewarm');
    await client.query(
      `SELECT pg_prewarm(oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')`,
    );
  });
}

async function withoutIndexes(url: string, table: string, work: () => Promise<unknown>): Promise<void> {
  const { indexes, references } = await withClient(url, async (client) => {
    const { rows: references } = await client.query<{ source: string; name: string; definition: string }>(
      `SELECT conrelid::regclass::text AS source, conname AS name, pg_get_constraintdef(oid) AS definition
       FROM pg_constraint WHERE confrelid = $1::regclass AND contype = 'f'`,
      [table],
    );
    for (const { source, name } of references) {
      await client.query(`ALTER TABLE ${source} DROP CONSTRAINT ${pg.escapeIdentifier(name)}`);
    }
    const { rows } = await client.query<{ name: string; definition: string; key: string | null }>(
      `SELECT i.relname AS name, pg_get_indexdef(i.oid) AS definition, c.conname AS key
       FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
       LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype = 'p'
       WHERE x.indrelid = $1::regclass`,
      [table],
    );
    for (const { name, key } of rows) {
      await client.query(
        key === null
          ? `DROP INDEX ${pg.escapeIdentifier(name)}`
          : `ALTER TABLE ${table} DROP CONSTRAINT ${pg.escapeIdentifier(key)}`,
      );
    }
    return { indexes: rows, references };
  });
  await work();
  await withClient(url, async (client) => {
    await client.query("SET maintenance_work_mem = '1GB'");
    for (const { name, definition, key } of indexes) {
      await client.query(definition);
      if (key === null) continue;
      await client.query(
        `ALTER TABLE ${table} ADD CONSTRAINT ${key} PRIMARY KEY USING INDEX ${pg.escapeIdentifier(name)}`,
      );
    }
    for (const { source, name, definition } of references) {
      await client.query(`ALTER TABLE ${source} ADD CONSTRAINT ${pg.escapeIdentifier(name)} ${definition}`);
    }
  });
}
