import { sigraMigrations } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { createDatabase, onDatabase, type TestDatabase } from './database.js';
import { DatabaseTemplate } from './database-template.js';

/** The table of `User` in `test-app.ts`. */
export const USERS = `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL,
  password_hash text NOT NULL DEFAULT 'secret', disabled_at timestamptz)`;

const migrated = new DatabaseTemplate('migrated', async () => {
  const database = await createDatabase();
  const dataSource = new DataSource({ type: 'postgres', url: database.url, migrations: sigraMigrations });
  await dataSource.initialize();
  await dataSource.runMigrations();
  await dataSource.destroy();
  return database;
});
const withUsers = new DatabaseTemplate('migrated_with_users', () => copyAndFill(USERS));

/**
 * Makes a database with Sigra's tables.
 *
 * @param sql creates the tables of the host
 */
export function createMigratedDatabase(sql?: string): Promise<TestDatabase> {
  if (sql === USERS) return withUsers.copy();
  return sql === undefined ? migrated.copy() : copyAndFill(sql);
}

async function copyAndFill(sql: string): Promise<TestDatabase> {
  const database = await migrated.copy();
  await onDatabase(database.url, (client) => client.query(sql));
  return database;
}
