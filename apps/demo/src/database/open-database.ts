import pg from 'pg';
import { startLocalPostgres } from 'sigra-local-postgres';
import type { Environment } from '../environment.js';
import { StartError } from '../start-error.js';

export interface OpenDatabase {
  readonly url: string;
  /** The place of the data, for people. It contains no password. */
  readonly description: string;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5000;

/**
 * Connects to the database of `DATABASE_URL`, or starts the demo's own PostgreSQL.
 *
 * @throws StartError if the database cannot be reached, or PostgreSQL cannot start
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

/** A host with several addresses fails with one error per address, and without a message of its own. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message === '' ? (code ?? 'no reason given') : message;
}
