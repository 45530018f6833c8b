import { Child } from './harness/child-process.js';
import { withClient } from './harness/database.js';
import type { Findings } from './harness/section.js';
import { createTables, seedTokens } from './harness/seed.js';
import type { Stage } from './harness/stage.js';
import type { SigraWorker } from './workers/sigra-worker.js';

export const title = 'Writes that verification causes';

const TOKENS = 1000;
const IN_FLIGHT = 64;

export async function run(stage: Stage): Promise<Findings> {
  const server = await stage.server();
  const url = await server.createDatabase('writes');
  await createTables(url, TOKENS);
  await seedTokens(url, { count: TOKENS, owner: 'i', lastUsedAt: 'NULL' });
  const before = await rowUpdates(url);
  const worker = await Child.start<SigraWorker>(new URL('./workers/sigra-worker.ts', import.meta.url), { args: [url] });
  const times = stage.settings.verifications;
  const { seconds, updates, reads } = await worker.call('verifyTimes', { times, inFlight: IN_FLIGHT, tokens: TOKENS });
  await worker.stop();
  const rows = (await rowUpdates(url)) - before;
  await server.dropDatabase('writes');

  const counted = `${times.toLocaleString('en-US')} verifications of ${TOKENS.toLocaleString('en-US')} tokens`;
  return {
    demands: [
      { what: `row updates by ${counted}`, bound: 'at most', limit: 1000, unit: 'rows', measured: rows },
      { what: 'statements for those updates', bound: 'at most', limit: 100, unit: 'statements', measured: updates },
      { what: 'time that they took', bound: 'at most', limit: 300, unit: 'seconds', measured: seconds },
    ],
    tables: [
      {
        title: counted,
        columns: ['', ''],
        rows: [
          ['seconds', seconds],
          ['statements that read tokens', reads],
          ['statements that record uses', updates],
          ['rows updated', rows],
        ],
      },
    ],
    charts: [],
    notes: [
      'PostgreSQL counts the rows (`n_tup_upd`), and a logger of TypeORM counts the statements. No token was used before. ' +
        'Closing the application flushes the uses that are still in memory; they are counted too.',
    ],
  };
}

/** Exact only after the connections that made the updates are closed. */
function rowUpdates(url: string): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ count: string }>(
      "SELECT n_tup_upd AS count FROM pg_stat_user_tables WHERE relname = 'sigra_api_tokens'",
    );
    return Number(rows[0]?.count);
  });
}
