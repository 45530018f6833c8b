import { createServer } from 'node:http';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import '../../tools/typescript/register.js';

/**
 * Offers a PostgreSQL server to the workers. It starts when the first of them asks for its URL, so that specs without a
 * database do not wait for it, and it ends with this process, however this process ends.
 */
export default async function offerDatabaseServer() {
  const offer = createServer((_request, response) => {
    // A connection that stays open could be closed just as the next request arrives.
    response.setHeader('connection', 'close');
    globalThis.sigraTestServer ??= startDatabaseServer();
    globalThis.sigraTestServer.then(
      ({ url }) => response.end(url),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise((resolve) => offer.listen(0, '127.0.0.1', resolve));
  offer.unref();
  globalThis.sigraTestServerOffer = offer;
  // Jest's workers inherit the environment.
  process.env.SIGRA_TEST_SERVER = `http://127.0.0.1:${offer.address().port}`;
}

async function startDatabaseServer() {
  const { scratchParent } = await import('./scratch-folder.ts');
  const { startLocalPostgres } = await import('../../tools/local-postgres/src/local-postgres.ts');
  const server = await startLocalPostgres({
    dataDir: await mkdtemp(join(scratchParent(), 'sigra-test-')),
    persistent: false,
    binaries: process.env.SIGRA_TEST_POSTGRES,
    // The log is in memory too.
    settings: { max_wal_size: '128MB' },
  });
  await addMissingFunctions(server.url);
  return server;
}

/** The tables of the tests use a function that versions before 13 lack. */
async function addMissingFunctions(url) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(Object.assign(new URL(url), { pathname: 'template1' }).href);
  await client.connect();
  const { rowCount } = await client.query(`SELECT FROM pg_proc WHERE proname = 'gen_random_uuid'`);
  if (!rowCount) {
    await client.query(`CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE
      AS 'SELECT md5(random()::text || clock_timestamp()::text)::uuid'`);
  }
  await client.end();
}
