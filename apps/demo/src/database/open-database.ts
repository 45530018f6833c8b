import pg from 'pg';
import type { Environment } from '../environment.js';
import { startLocalPostgres } from '../postgres/local-postgres.js';
import { StartError } from '../start-error.js';

export interface OpenDatabase {
  readonly url: string;
  /** For people: where the data is. Never holds a password. */
  readonly description: string;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5000;

/**
 * The database of `DATABASE_URL`, or a PostgreSQL of the demo's own.
 *
 * @throws StartError when neither can be had
 */
export function openDatabase({ databaseUrl, dataDir }: Environment): Promise<OpenDatabase> {
  return databaseUrl === undefined ? startOwn(dataDir) : useGiven(databaseUrl);
}

async function startOwn(dataDir: string): Promise<OpenDatabase> {
  try {
    const server = await startLocalPostgres({ dataDir });
    return { url: server.url, description: `its own PostgreSQL, in ${dataDir}`, close: () => server.stop() };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw new StartError(code === undefined ? message : `DEMO_DATA_DIR: ${dataDir} cannot be used: ${message}`, {
      cause: error,
    });
  }
}

async function useGiven(url: string): Promise<OpenDatabase> {
  const { host, pathname } = new URL(url);
  const place = `${host}${pathname}`;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  try {
    await client.connect();
  } catch (error) {
    throw new StartError(`DATABASE_URL: cannot connect to ${place}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
  return { url, description: `PostgreSQL at ${place}`, close: () => Promise.resolve() };
}

/** A host with several addresses fails with an error for each, and no message of its own. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message === '' ? (code ?? 'no reason given') : message;
}
