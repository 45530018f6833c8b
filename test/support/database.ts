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
  await onServer(async (client, version) => {
    // Copying files is faster than the default since version 15, which writes all pages to the log.
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} ${version < 15 ? '' : 'STRATEGY FILE_COPY'}`);
  });
  return {
    url: Object.assign(new URL(await serverUrl()), { pathname: name }).href,
    drop: () =>
      onServer(async (client, version) => {
        if (version < 13) await client.query(END_CONNECTIONS, [name]);
        await client.query(`DROP DATABASE IF EXISTS ${name} ${version < 13 ? '' : 'WITH (FORCE)'}`);
      }),
  };
}

const END_CONNECTIONS = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1';

/** The type definitions of `pg` lack these. */
type ReferencedClient = pg.Client & { ref(): void; unref(): void };
type ServerWork = (client: pg.Client, version: number) => Promise<void>;

let administrator: ReferencedClient | undefined;
let version = 0;
let statements: Promise<unknown> = Promise.resolve();

/**
 * Runs statements outside of the databases of the tests, with the major version of the server. All of them use one connection,
 * because to open one takes more time than to create a database.
 */
function onServer(work: ServerWork): Promise<void> {
  const run = async () => {
    const client = (administrator ??= await connectToServer());
    client.ref();
    await work(client, version).finally(() => client.unref());
  };
  const done = statements.then(run);
  statements = done.catch(() => undefined);
  return done;
}

/** The connection does not keep the process alive while it is idle. */
async function connectToServer(): Promise<ReferencedClient> {
  const client = new pg.Client(await serverUrl()) as ReferencedClient;
  const forget = () => (administrator = undefined);
  client.on('error', forget).on('end', forget);
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  version = Number.parseInt(rows[0]!.server_version, 10);
  return client;
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

/** The URL of the server of this run, which starts with the first question. */
export function serverUrl(): Promise<string> {
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
