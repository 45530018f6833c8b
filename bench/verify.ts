import { Child } from './harness/child-process.js';
import { figuresTable } from './harness/figures-table.js';
import { type Figures, inTurn } from './harness/rounds.js';
import type { Chart, Findings, Table } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import type { VerifyContestantName, VerifyWorker } from './workers/verify-worker.js';

export const title = 'Verification in process';

const IN_FLIGHT = [1, 16, 64, 256];
/** The load that the targets refer to. */
const JUDGED = 64;

const LABELS: Readonly<Record<VerifyContestantName, string>> = {
  sigra: 'Sigra (token and user)',
  pg: 'pg, named statement (token only)',
  typeorm: 'TypeORM findOneBy (token only)',
  'better-auth': 'better-auth api-key (key only)',
};
const NAMES = Object.keys(LABELS) as VerifyContestantName[];

export async function run(stage: Stage): Promise<Findings> {
  const { tokens } = stage.settings;
  const databases = await stage.seeded();
  const workers = await Promise.all(
    NAMES.map(async (name) => {
      const url = name === 'better-auth' ? databases.betterAuth : databases.sigra;
      return [name, await startVerifyWorker(name, url)] as const;
    }),
  );
  let seed = 0;
  const turnOf = (worker: Child<VerifyWorker>, inFlight: number, seconds: number) =>
    worker.call('turn', { inFlight, seconds, tokens, seed: ++seed });

  for (const [name, worker] of workers) {
    if (!(await worker.call('refusesUnknown', { tokens }))) throw new Error(`${name} accepts an unknown credential`);
  }
  const results: [number, Record<VerifyContestantName, Figures>][] = [];
  for (const inFlight of IN_FLIGHT) {
    stage.say(`verify, ${inFlight} in flight`);
    const turns = workers.map(
      ([name, worker]) => [name, (seconds: number) => turnOf(worker, inFlight, seconds)] as const,
    );
    results.push([
      inFlight,
      await inTurn(stage.settings, Object.fromEntries(turns) as Record<VerifyContestantName, never>),
    ]);
  }
  await Promise.all(workers.map(([, worker]) => worker.stop()));
  return findings(results);
}

export function startVerifyWorker(name: VerifyContestantName, url: string): Promise<Child<VerifyWorker>> {
  return Child.start<VerifyWorker>(new URL('./workers/verify-worker.ts', import.meta.url), {
    args: [name, url],
    execArgv: ['--expose-gc'],
  });
}

function findings(results: [number, Record<VerifyContestantName, Figures>][]): Findings {
  const judged = results.find(([inFlight]) => inFlight === JUDGED)?.[1];
  if (!judged) throw new Error('nothing to judge');
  const against = (peer: VerifyContestantName) => judged.sigra.rate / judged[peer].rate;
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
      {
        what: `verify, ${JUDGED} in flight, against TypeORM findOneBy`,
        bound: 'at least',
        limit: 6,
        unit: 'times',
        measured: against('typeorm'),
      },
      {
        what: `verify, ${JUDGED} in flight, against better-auth`,
        bound: 'at least',
        limit: 40,
        unit: 'times',
        measured: against('better-auth'),
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
