import { Child } from './harness/child-process.js';
import { withClient } from './harness/database.js';
import type { Findings } from './harness/section.js';
import { createTables, LIMITS, seedTokens } from './harness/seed.js';
import type { Stage } from './harness/stage.js';
import type { SigraWorker } from './workers/sigra-worker.js';

export const title = 'Writes that verification causes';

const TOKENS = 1000;
const IN_FLIGHT = 64;

/** What verifications write without a policy, and with every policy, which counts uses by day. */
export async function run(stage: Stage): Promise<Findings> {
  const { verifications } = stage.settings;
  const plain = await measure(stage, false);
  const policies = await measure(stage, true);
  const counted = `${verifications.toLocaleString('en-US')} verifications of ${TOKENS.toLocaleString('en-US')} tokens`;
  return {
    demands: [
      { what: `row updates by ${counted}`, bound: 'at most', limit: 1000, unit: 'rows', measured: plain.used },
      {
        what: 'statements for those updates',
        bound: 'at most',
        limit: 100,
        unit: 'statements',
        measured: plain.updates,
      },
      { what: 'time that they took', bound: 'at most', limit: 300, unit: 'seconds', measured: plain.seconds },
      {
        what: 'statements that read tokens with every policy, against those without',
        bound: 'at most',
        limit: 1.1,
        unit: 'times',
        measured: policies.reads / plain.reads,
      },
    ],
    tables: [
      {
        title: counted,
        columns: ['', 'Sigra', 'every policy'],
        rows: [
          ['seconds', plain.seconds, policies.seconds],
          ['statements that read tokens', plain.reads, policies.reads],
          ['statements that record uses', plain.updates, policies.updates],
          ['rows updated', plain.used, policies.used],
          ['statements that count uses', plain.counts, policies.counts],
          ['rows of counts written', plain.counted, policies.counted],
        ],
      },
    ],
    charts: [],
    notes: [
      'PostgreSQL counts the rows (`n_tup_ins`, `n_tup_upd`), and a logger of TypeORM counts the statements. No token was used before. ' +
        'Closing the application flushes the uses that are still in memory; they are counted too.',
    ],
  };
}

async function measure(stage: Stage, withPolicies: boolean) {
  const server = await stage.server();
  const url = await server.createDatabase('writes');
  await createTables(url, TOKENS);
  const limits = withPolicies ? { limits: LIMITS } : {};
  await seedTokens(url, { count: TOKENS, owner: 'i', lastUsedAt: 'NULL', ...limits });
  const before = await rowsWritten(url);
  const args = [url, ...(withPolicies ? ['policies'] : [])];
  const worker = await Child.start<SigraWorker>(new URL('./workers/sigra-worker.ts', import.meta.url), { args });
  const found = await worker.call('verifyTimes', {
    times: stage.settings.verifications,
    inFlight: IN_FLIGHT,
    tokens: TOKENS,
  });
  await worker.stop();
  const after = await rowsWritten(url);
  await server.dropDatabase('writes');
  return { ...found, used: after.used - before.used, counted: after.counted - before.counted };
}

/** Exact only after the connections that wrote are closed. */
function rowsWritten(url: string): Promise<{ readonly used: number; readonly counted: number }> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ used: number; counted: number }>(
      `SELECT sum(n_tup_upd) FILTER (WHERE relname = 'sigra_api_tokens')::integer AS used,
         sum(n_tup_ins + n_tup_upd) FILTER (WHERE relname = 'sigra_token_usage')::integer AS counted
       FROM pg_stat_user_tables`,
    );
    return rows[0] ?? { used: NaN, counted: NaN };
  });
}
