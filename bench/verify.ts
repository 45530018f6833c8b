import { Child } from './harness/child-process.js';
import { figuresTable } from './harness/figures-table.js';
import { type Figures, inTurn, totalCpu } from './harness/rounds.js';
import type { Chart, Demand, Findings, Table } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import type { VerifyContestantName, VerifyWorker } from './workers/verify-worker.js';

export const title = 'Verification in process';

const IN_FLIGHT = [1, 16, 64, 256];
/** The load that the targets refer to. */
const JUDGED = 64;

const LABELS = {
  sigra: 'Sigra (token and user)',
  'sigra-policies': 'Sigra with every policy (token and user)',
  pg: 'pg, named statement (token only)',
  typeorm: 'TypeORM findOneBy (token only)',
  'better-auth': 'better-auth api-key (key only)',
} satisfies Partial<Record<VerifyContestantName, string>>;
type Contestant = keyof typeof LABELS;
const NAMES = Object.keys(LABELS) as Contestant[];

export async function run(stage: Stage): Promise<Findings> {
  const { tokens } = stage.settings;
  const databases = await stage.seeded();
  const server = await stage.server();
  const workers = await Promise.all(
    NAMES.map(async (name) => {
      const url =
        { 'better-auth': databases.betterAuth, 'sigra-policies': databases.policies }[name as string] ??
        databases.sigra;
      return [name, await startVerifyWorker(name, url)] as const;
    }),
  );
  let seed = 0;
  const turnOf = (worker: Child<VerifyWorker>, inFlight: number, seconds: number) =>
    worker.call('turn', { inFlight, seconds, tokens, seed: ++seed });

  for (const [name, worker] of workers) {
    if (!(await worker.call('refusesUnknown', { tokens }))) throw new Error(`${name} accepts an unknown credential`);
  }
  const results: [number, Record<Contestant, Figures>][] = [];
  for (const inFlight of IN_FLIGHT) {
    stage.say(`verify, ${inFlight} in flight`);
    const turns = workers.map(
      ([name, worker]) => [name, (seconds: number) => turnOf(worker, inFlight, seconds)] as const,
    );
    results.push([
      inFlight,
      await inTurn({ ...stage.settings, server }, Object.fromEntries(turns) as Record<Contestant, never>),
    ]);
  }
  await Promise.all(workers.map(([, worker]) => worker.stop()));
  return findings(results);
}

export function startVerifyWorker(
  name: VerifyContestantName,
  url: string,
  ...standbyUrls: readonly string[]
): Promise<Child<VerifyWorker>> {
  return Child.start<VerifyWorker>(new URL('./workers/verify-worker.ts', import.meta.url), {
    args: [name, url, ...standbyUrls],
    execArgv: ['--expose-gc'],
  });
}

/** Ratios to peers. CPU is that of the process and of PostgreSQL together. */
function times(what: string, limit: number, measured: number): Demand {
  return {
    what: `verify, ${JUDGED} in flight, against the ${what}`,
    bound: 'at least',
    limit,
    unit: 'times',
    measured,
  };
}

function atMost(what: string, limit: number, measured: number): Demand {
  const peer = 'against a named statement of pg, which reads no user';
  return { what: `verify, ${what}, ${peer}`, bound: 'at most', limit, unit: 'times', measured };
}

function findings(results: [number, Record<Contestant, Figures>][]): Findings {
  const of = (wanted: number) => results.find(([inFlight]) => inFlight === wanted)?.[1];
  const [judged, alone] = [of(JUDGED), of(1)];
  if (!judged || !alone) throw new Error('nothing to judge');
  const tables = results.map(([inFlight, figures]): Table =>
    figuresTable(
      `${inFlight} in flight`,
      'verifications',
      NAMES.map((name) => [LABELS[name], figures[name]]),
    ),
  );
  const chart: Chart = {
    kind: 'bars',
    name: 'verify',
    title: `Verifications per second, ${JUDGED} in flight`,
    unit: '/s',
    bars: NAMES.map((name) => ({ label: LABELS[name], value: judged[name].rate })),
  };
  return {
    demands: [
      times('CPU of a TypeORM findOneBy', 14, totalCpu(judged.typeorm) / totalCpu(judged.sigra)),
      times('CPU of better-auth', 70, totalCpu(judged['better-auth']) / totalCpu(judged.sigra)),
      times('CPU of a named statement of pg', 3.3, totalCpu(judged.pg) / totalCpu(judged.sigra)),
      times('rate of TypeORM findOneBy', 6, judged.sigra.rate / judged.typeorm.rate),
      times('rate of better-auth', 40, judged.sigra.rate / judged['better-auth'].rate),
      atMost('1 in flight, CPU', 1.25, totalCpu(alone.sigra) / totalCpu(alone.pg)),
      atMost('1 in flight, p50', 1.2, alone.sigra.p50 / alone.pg.p50),
      {
        what: `verify, ${JUDGED} in flight, CPU with every policy, against none`,
        bound: 'at most',
        limit: 1.15,
        unit: 'times',
        measured: totalCpu(judged['sigra-policies']) / totalCpu(judged.sigra),
      },
    ],
    tables,
    charts: [chart],
    notes: [
      'Every contestant has its own process and its own pool of ten connections, and hashes the raw token itself.',
      'All tokens were used a moment ago, as tokens in regular use are, so Sigra reads them without recording the use; ' +
        '`writes` measures that. better-auth writes `updatedAt` with every verification.',
    ],
  };
}
