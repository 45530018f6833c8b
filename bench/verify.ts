import { Child } from './harness/child-process.js';
import { figuresTable } from './harness/figures-table.js';
import { byRound, type Figure, type Figures, inTurn, repeated, totalCpu } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Chart, Demand, Findings, Table } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import type { VerifyContestantName, VerifyWorker } from './workers/verify-worker.js';

export const title = 'Verification in process';

const IN_FLIGHT = [1, 16, 64, 256];
/** The load that the targets refer to. */
const JUDGED = 64;

/** Tokens in use in the comparison with every policy: each is used several times a minute, so its uses are written together. */
const IN_USE = 10_000;

const LABELS = {
  sigra: 'Sigra (token and user)',
  'sigra-policies': 'Sigra with every policy (token and user)',
  pg: 'pg, named statement (token only)',
  typeorm: 'TypeORM findOneBy (token only)',
  'better-auth': 'better-auth api-key (key only)',
} satisfies Partial<Record<VerifyContestantName, string>>;
type Contestant = keyof typeof LABELS;
const NAMES = Object.keys(LABELS) as Contestant[];
/** Contestants that differ by a few percent. */
const CLOSE = ['sigra', 'sigra-policies'] as const;

export async function run(stage: Stage): Promise<Findings> {
  const { tokens, rounds, closeProcesses, closeRounds } = stage.settings;
  const workers = await startAll(stage, NAMES);
  for (const [name, worker] of workers) {
    if (!(await worker.call('refusesUnknown', { tokens }))) throw new Error(`${name} accepts an unknown credential`);
  }
  const results: [number, Record<Contestant, Figures>][] = [];
  for (const inFlight of IN_FLIGHT)
    results.push([inFlight, await measure(stage, workers, { inFlight, rounds, tokens })]);
  await stopAll(workers);
  const close = await repeated(closeProcesses, async () => {
    const few = await startAll(stage, CLOSE);
    const figures = await measure(stage, few, { inFlight: JUDGED, rounds: closeRounds, tokens: IN_USE });
    await stopAll(few);
    return figures;
  });
  return findings(results, close);
}

type Workers<Name extends Contestant> = readonly (readonly [Name, Child<VerifyWorker>])[];

async function startAll<Name extends Contestant>(stage: Stage, names: readonly Name[]): Promise<Workers<Name>> {
  const { sigra, policies, betterAuth } = await stage.seeded();
  const urls: Partial<Record<Contestant, string>> = { 'better-auth': betterAuth, 'sigra-policies': policies };
  return Promise.all(names.map(async (name) => [name, await startVerifyWorker(name, urls[name] ?? sigra)] as const));
}

async function stopAll(workers: Workers<Contestant>): Promise<void> {
  await Promise.all(workers.map(([, worker]) => worker.stop()));
}

let seed = 0;

async function measure<Name extends Contestant>(
  stage: Stage,
  workers: Workers<Name>,
  load: { readonly inFlight: number; readonly rounds: number; readonly tokens: number },
): Promise<Record<Name, Figures>> {
  const { inFlight, rounds, tokens } = load;
  stage.say(`verify, ${inFlight} in flight: ${rounds} rounds of ${workers.length} contestants`);
  const turns = workers.map(([name, worker]) => {
    const turn = (seconds: number) => worker.call('turn', { inFlight, seconds, tokens, seed: ++seed });
    return [name, turn] as const;
  });
  const { turn, warmUp } = stage.settings;
  return inTurn(
    { turn, rounds, warmUp, server: await stage.server() },
    Object.fromEntries(turns) as Record<Name, (seconds: number) => Promise<Sample>>,
  );
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

const PEER = 'against a named statement of pg, which reads no user';

/** Of the contestants in a round. CPU is that of the process and of PostgreSQL together. */
type Comparison = (round: Readonly<Record<Contestant, Figure>>) => number;

function demand(bound: Demand['bound'], what: string, limit: number, measured: number): Demand {
  return { what: `verify, ${what}`, bound, limit, unit: 'times', measured };
}

function findings(
  results: [number, Record<Contestant, Figures>][],
  close: Record<(typeof CLOSE)[number], Figures>,
): Findings {
  const of = (wanted: number) => results.find(([inFlight]) => inFlight === wanted)?.[1];
  const [judged, alone] = [of(JUDGED), of(1)];
  if (!judged || !alone) throw new Error('nothing to judge');
  const atLeast = (what: string, limit: number, compare: Comparison) =>
    demand('at least', `${JUDGED} in flight, ${what}`, limit, byRound(judged, compare));
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
      atLeast(
        'against the CPU of a TypeORM findOneBy',
        14,
        ({ typeorm, sigra }) => totalCpu(typeorm) / totalCpu(sigra),
      ),
      atLeast('against the CPU of better-auth', 70, (round) => totalCpu(round['better-auth']) / totalCpu(round.sigra)),
      atLeast('against the CPU of a named statement of pg', 3.3, ({ pg, sigra }) => totalCpu(pg) / totalCpu(sigra)),
      atLeast('against the rate of TypeORM findOneBy', 6, ({ typeorm, sigra }) => sigra.rate / typeorm.rate),
      atLeast('against the rate of better-auth', 40, (round) => round.sigra.rate / round['better-auth'].rate),
      demand(
        'at most',
        `1 in flight, CPU, ${PEER}`,
        1.25,
        byRound(alone, ({ pg, sigra }) => totalCpu(sigra) / totalCpu(pg)),
      ),
      demand(
        'at most',
        `1 in flight, p50, ${PEER}`,
        1.2,
        byRound(alone, ({ pg, sigra }) => sigra.p50 / pg.p50),
      ),
      demand(
        'at most',
        `${JUDGED} in flight, CPU with every policy, against none`,
        1.15,
        byRound(close, (round) => totalCpu(round['sigra-policies']) / totalCpu(round.sigra)),
      ),
    ],
    tables: [
      ...tables,
      figuresTable(
        `Every policy, ${JUDGED} in flight, ${close.sigra.turns.length} rounds of several processes`,
        'verifications',
        CLOSE.map((name) => [LABELS[name], close[name]]),
      ),
    ],
    charts: [chart],
    notes: [
      'Every contestant has its own process and its own pool of ten connections, and hashes the raw token itself.',
      `Every policy is compared with ${IN_USE.toLocaleString('en-US')} tokens in use, whose uses are counted in one row a minute each. In the other tables, each ` +
        'verification is of another token, so that its use is a row, too.',
      'All tokens were used a moment ago, as tokens in regular use are, so Sigra reads them without recording the use; ' +
        '`writes` measures that. better-auth writes `updatedAt` with every verification.',
    ],
  };
}
