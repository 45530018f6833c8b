import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  /** `postgres://…`, for the `url` of a DataSource. */
  url: string;
  /** Deletes the database and closes its connections. */
  drop(): Promise<void>;
}

/**
 * Makes a database for one test file, so that files can run at the same time.
 *
 * @param template the database to copy; by default the new database is empty
 */
export async function createDatabase(template = 'template1'): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  // Copying files is faster than the default, which writes all pages to the log.
  const options = `TEMPLATE ${template} STRATEGY FILE_COPY`;
  await onServer((client) => client.query(`CREATE DATABASE ${name} ${options}`));
  return {
    url: Object.assign(new URL(await serverUrl()), { pathname: name }).href,
    drop: async () => {
      await onServer((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Works on the server of this run, outside of the databases of the tests. */
export async function onServer<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  return onDatabase(await serverUrl(), work);
}

export async function onDatabase<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(databaseUrl);
  // A lost connection rejects its queries as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

let url: Promise<string> | undefined;

/** Asks the run for its server, which starts with the first question. */
function serverUrl(): Promise<string> {
  return (url ??= askForServer());
}

async function askForServer(): Promise<string> {
  const offer = process.env.SIGRA_TEST_SERVER;
  if (!offer) throw new Error('SIGRA_TEST_SERVER is not set: test/support/global-setup.js has not run.');
  const response = await fetch(offer);
  const answer = await response.text();
  if (!response.ok) throw new Error(`The test server did not start: ${answer}`);
  return answer;
}
