import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import './register-typescript.js';

/** One real PostgreSQL for the whole run, in a folder of its own; it ends with the run, however the run ends. */
export default async function startDatabaseServer() {
  const { startLocalPostgres } = await import('../../apps/demo/src/postgres/local-postgres.ts');
  const server = await startLocalPostgres({
    dataDir: await mkdtemp(join(tmpdir(), 'sigra-test-')),
    persistent: false,
  });
  globalThis.sigraTestServer = server;
  // Jest's workers inherit the environment.
  process.env.SIGRA_TEST_SERVER_URL = server.url;
}
