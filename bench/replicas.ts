import { PostgresCluster } from '../test/support/postgres-cluster.js';
import { serverCpuAt } from './harness/database.js';
import { figuresTable } from './harness/figures-table.js';
import { byRound, type Figures, figuresOf, totalCpu } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Findings } from './harness/section.js';
import { createTables, seedTokens } from './harness/seed.js';
import { usedBetween } from './harness/server-cpu.js';
import type { Stage } from './harness/stage.js';
import { median } from './harness/statistics.js';
import { startVerifyWorker } from './verify.js';

export const title = 'Reads from standbys';

const IN_FLIGHT = 64;
const MOST_TOKENS = 300_000;
const SETTINGS = { shared_buffers: '1GB', max_wal_size: '4GB' };

interface Measured extends Figures {
  /** CPU of the primary per operation, in microseconds. */
  readonly primaryCpu: number;
}

export async function run(stage: Stage): Promise<Findings> {
  const primary = await PostgresCluster.start(SETTINGS);
  const standbys: PostgresCluster[] = [];
  try {
    stage.say('replicas: a primary and two standbys');
    const { users } = stage.settings;
    const tokens = Math.min(stage.settings.tokens, MOST_TOKENS);
    await createTables(primary.url, users);
    await seedTokens(primary.url, { count: tokens, owner: `1 + i % ${users}` });
    for (let each = 0; each < 2; each++) standbys.push(await PostgresCluster.replicaOf(primary));
    return await measure(stage, primary, standbys, tokens);
  } finally {
    for (const standby of standbys) await standby.dispose();
    await primary.dispose();
  }
}

async function measure(
  { settings }: Stage,
  primary: PostgresCluster,
  standbys: readonly PostgresCluster[],
  tokens: number,
): Promise<Findings> {
  const workers = {
    alone: await startVerifyWorker('sigra', primary.url),
    standbys: await startVerifyWorker('sigra-standbys', primary.url, ...standbys.map(({ url }) => url)),
  };
  const ofPrimary = await serverCpuAt(primary.url);
  const ofStandbys = await Promise.all(standbys.map(({ url }) => serverCpuAt(url)));
  const samples: Record<keyof typeof workers, (Sample & { readonly primaryMicros: number })[]> = {
    alone: [],
    standbys: [],
  };
  let seed = 0;
  for (let round = 0; round < settings.rounds; round++) {
    for (const name of ['alone', 'standbys'] as const) {
      const turn = (seconds: number) =>
        workers[name].call('turn', { inFlight: IN_FLIGHT, seconds, tokens, seed: ++seed });
      await turn(settings.warmUp);
      const read = () => Promise.all([ofPrimary, ...ofStandbys].map((cpu) => cpu.read()));
      const before = await read();
      const sample = await turn(settings.httpTurn);
      const after = await read();
      const [primaryMicros = 0, ...others] = after.map((times, server) => usedBetween(before[server] ?? times, times));
      const databaseMicros = others.reduce((sum, micros) => sum + micros, primaryMicros);
      samples[name].push({ ...sample, databaseMicros, primaryMicros });
    }
  }
  await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  const [alone, withStandbys] = (['alone', 'standbys'] as const).map((name): Measured => ({
    ...figuresOf(samples[name]),
    primaryCpu: median(samples[name].map(({ primaryMicros, operations }) => primaryMicros / operations)),
  })) as [Measured, Measured];
  return findings(alone, withStandbys);
}

function findings(alone: Measured, withStandbys: Measured): Findings {
  const demand = (what: string, limit: number, measured: number) =>
    ({
      what: `verify, ${IN_FLIGHT} in flight, two standbys against none, ${what}`,
      bound: 'at most',
      limit,
      unit: 'times',
      measured,
    }) as const;
  return {
    demands: [
      demand('CPU of the primary', 0.5, withStandbys.primaryCpu / alone.primaryCpu),
      demand(
        'CPU of all servers and the process',
        1.2,
        byRound({ alone, withStandbys }, (round) => totalCpu(round.withStandbys) / totalCpu(round.alone)),
      ),
    ],
    tables: [
      figuresTable('', 'verifications', [
        ['primary alone', alone],
        ['two standbys', withStandbys],
      ]),
      {
        title: 'CPU of the primary',
        columns: ['', 'µs each'],
        rows: [
          ['primary alone', alone.primaryCpu],
          ['two standbys', withStandbys.primaryCpu],
        ],
      },
    ],
    charts: [],
    notes: [
      'The primary, two streaming standbys, the process under test and the load share the two cores of the machine. Each read of a standby has its proof.',
    ],
  };
}
