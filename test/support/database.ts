import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  /** `postgres://…`, for the `url` of a DataSource. */
  url: string;
  /** Deletes the database, with whatever is still connected to it. */
  drop(): Promise<void>;
}

/** An empty database of its own for one test file, so that files run side by side. */
export async function createDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name}`);
  return {
    url: Object.assign(new URL(serverUrl()), { pathname: name }).href,
    drop: () => onServer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client(serverUrl());
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  const url = process.env.SIGRA_TEST_SERVER_URL;
  if (!url) {
    throw new Error('No test server: run the tests with npm test, whose test/support/global-setup.js starts one.');
  }
  return url;
}
