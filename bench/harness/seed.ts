import pg from 'pg';
import { typeOrmDataSource } from '../contestants/host.js';
import { withClient } from './database.js';
import { rawTokenSql, userIdSql } from './tokens.js';

/** Makes the tables of the host and of Sigra, by Sigra's own migrations, with users number 1 to `users`. */
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
  /** Owners are users number 1 to this, in turn. */
  readonly users: number;
  /** SQL of `expires_at`. @default NULL */
  readonly expiresAt?: string;
  /** SQL of `created_at`, of the token's number `i`. */
  readonly createdAt?: string;
  /** SQL of `last_used_at`. By default just now, so that reading is measured without writing. @default clock_timestamp() */
  readonly lastUsedAt?: string;
}

/** Fills the table of tokens with two connections, without indexes, which are built afterwards. */
export async function seedTokens(url: string, seed: TokenSeed): Promise<void> {
  const { from = 1, count, users, expiresAt = 'NULL', createdAt = 'now()', lastUsedAt = 'clock_timestamp()' } = seed;
  const insert = (first: number, last: number) => `
    INSERT INTO sigra_api_tokens
      (id, user_id, name, prefix, hint, token_hash, scopes, expires_at, last_used_at, created_at)
    SELECT uuidv7(), ${userIdSql(`1 + i % ${users}`)}, 'token ' || i, 'sigra_sk_', '0000',
      sha256(convert_to(${rawTokenSql('i')}, 'UTF8')), ARRAY['read:projects', 'write:projects'],
      ${expiresAt}, ${lastUsedAt}, ${createdAt}
    FROM generate_series(${first}, ${last}) i`;
  const middle = from + Math.floor(count / 2);
  const last = from + count - 1;
  await withoutIndexes(url, 'sigra_api_tokens', () =>
    Promise.all([
      withClient(url, (client) => client.query(insert(from, middle - 1))),
      withClient(url, (client) => client.query(insert(middle, last))),
    ]),
  );
  await settle(url);
}

/** Lets tokens have been used just now, so that reading them is measured without writing. */
export async function touchTokens(url: string, rawTokens: readonly string[]): Promise<void> {
  await withClient(url, (client) =>
    client.query(
      `UPDATE sigra_api_tokens SET last_used_at = clock_timestamp()
       WHERE token_hash IN (SELECT sha256(convert_to(raw, 'UTF8')) FROM unnest($1::text[]) raw)`,
      [rawTokens],
    ),
  );
}

/** Nothing of the seeding is left to be done while something is measured. */
export async function settle(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('VACUUM (ANALYZE)');
    await client.query('CHECKPOINT');
  });
}

async function withoutIndexes(url: string, table: string, work: () => Promise<unknown>): Promise<void> {
  const indexes = await withClient(url, async (client) => {
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
    return rows;
  });
  await work();
  const build = async (mine: typeof indexes): Promise<void> =>
    withClient(url, async (client) => {
      await client.query("SET maintenance_work_mem = '1GB'");
      for (const { definition } of mine) await client.query(definition);
    });
  await build(indexes);
  for (const { name, key } of indexes) {
    if (key === null) continue;
    await withClient(url, (client) =>
      client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${key} PRIMARY KEY USING INDEX ${pg.escapeIdentifier(name)}`),
    );
  }
}
