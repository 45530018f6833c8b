import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';
import { betterAuthOptions } from '../contestants/better-auth.js';
import { serve } from '../harness/child-api.js';
import { rawApiKeySql, userIdSql } from '../harness/tokens.js';

const [databaseUrl = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: databaseUrl });

const methods = { seed };
export type BetterAuthSeed = typeof methods;
serve(methods, () => pool.end());

/**
 * Creates the tables with better-auth's own migrations, and one user and one key through its own interface. All others are
 * copies of these rows with other ids, addresses and hashes.
 */
async function seed({ users, keys }: { users: number; keys: number }): Promise<void> {
  const options = betterAuthOptions(pool);
  await (await getMigrations(options)).runMigrations();
  const { api } = betterAuth(options);
  const { user } = await api.signUpEmail({
    body: { email: 'ada@example.com', password: 'a password of the benchmarks', name: 'Ada' },
  });
  const key = await api.createApiKey({ body: { userId: user.id, name: 'bench' } });

  await copyRows('user', user.id, users, { id: userIdSql('i'), email: `'user' || i || '@example.com'` });
  await copyRows('apikey', key.id, keys, {
    id: `'key' || i`,
    referenceId: userIdSql(`1 + i % ${users}`),
    // Its hash: SHA-256 in base64url without padding.
    key: `rtrim(translate(encode(sha256(convert_to(${rawApiKeySql('i')}, 'UTF8')), 'base64'), '+/', '-_'), '=')`,
  });
}

async function copyRows(table: string, id: string, count: number, replaced: Record<string, string>): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1`,
    [table],
  );
  const columns = rows.map(({ name }) => pg.escapeIdentifier(name));
  const values = rows.map(({ name }) => replaced[name] ?? `r.${pg.escapeIdentifier(name)}`);
  await pool.query(
    `INSERT INTO ${pg.escapeIdentifier(table)} (${columns.join(', ')})
     SELECT ${values.join(', ')} FROM ${pg.escapeIdentifier(table)} r, generate_series(1, ${count}) i WHERE r.id = $1`,
    [id],
  );
}
