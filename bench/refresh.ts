import { Child } from './harness/child-process.js';
import { DatabaseServer } from './harness/database.js';
import { figuresTable } from './harness/figures-table.js';
import { byRound, figuresOf, inTurn, totalCpu, withDatabaseCpu } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Findings } from './harness/section.js';
import { createTables } from './harness/seed.js';
import type { Stage } from './harness/stage.js';
import type { RefreshContestantName, RefreshWorker } from './workers/refresh-worker.js';

export const title = 'Rotation of refresh tokens';

const FAMILIES = 64;

export async function run(stage: Stage): Promise<Findings> {
  // Every rotation is a commit, so this server waits for the disk.
  const server = await DatabaseServer.start({ durable: true });
  try {
    return await measure(stage, server);
  } finally {
    await server.stop();
  }
}

async function measure(stage: Stage, server: DatabaseServer): Promise<Findings> {
  const { rounds, httpTurn, warmUp } = stage.settings;
  const url = await server.createDatabase('refresh');
  await createTables(url, FAMILIES);
  const sigra = await startWorker('sigra', url);
  const handWritten = await startWorker('hand-written', url);
  const betterAuth = await startWorker('better-auth', await server.createDatabase('refresh_better_auth'));
  const figures = await inTurn(
    { rounds, turn: httpTurn, warmUp, server },
    {
      sigra: (seconds) => sigra.call('turn', { seconds }),
      handWritten: (seconds) => handWritten.call('turn', { seconds }),
      betterAuth: (seconds) => betterAuth.call('turn', { seconds }),
    },
  );
  for (const worker of [sigra, handWritten, betterAuth]) {
    const live = await worker.call('countLive', undefined);
    if (live !== FAMILIES) throw new Error(`${live} tokens are live in ${FAMILIES} families`);
    await worker.stop();
  }
  const burst = await measureBurst(stage, server);
  return {
    demands: [
      {
        what: `refresh, ${FAMILIES} families in flight, against a hand-written transaction`,
        bound: 'at least',
        limit: 4,
        unit: 'times',
        measured: byRound(figures, ({ sigra, handWritten }) => sigra.rate / handWritten.rate),
      },
      {
        what: `refresh, ${FAMILIES} families in flight, CPU of a hand-written transaction against that of Sigra`,
        bound: 'at least',
        limit: 8,
        unit: 'times',
        measured: byRound(figures, ({ sigra, handWritten }) => totalCpu(handWritten) / totalCpu(sigra)),
      },
      {
        what: `refresh of ${burst.families} families at once, p99 against p50`,
        bound: 'at most',
        limit: 3,
        unit: 'times',
        measured: burst.figures.p99 / burst.figures.p50,
      },
    ],
    tables: [
      figuresTable('', 'rotations', [
        ['Sigra (user, family, reuse, audit)', figures.sigra],
        ['TypeORM transaction, hand-written (token, audit)', figures.handWritten],
        ['better-auth oauth-provider (client, user, reuse)', figures.betterAuth],
      ]),
      figuresTable(`${burst.families} families at once`, 'rotations', [['Sigra', burst.figures]]),
    ],
    charts: [
      {
        kind: 'bars',
        name: 'refresh',
        title: `Rotations per second, ${FAMILIES} families in flight`,
        unit: '/s',
        bars: [
          { label: 'Sigra', value: figures.sigra.rate },
          { label: 'TypeORM transaction, hand-written', value: figures.handWritten.rate },
          { label: 'better-auth oauth-provider', value: figures.betterAuth.rate },
        ],
      },
    ],
    notes: [
      'Commits wait for the disk. Each family presents its newest token, and its successor as soon as the answer arrives.',
      'The hand-written transaction locks the token, consumes it, inserts the successor and an audit row, and signs an ' +
        'access token. It has no families, does not detect reuse and does not read the user.',
      'better-auth answers the `refresh_token` grant for a public client, with opaque access tokens, and writes no audit row.',
    ],
  };
}

/** As after an outage: every client refreshes at the same moment. */
async function measureBurst(stage: Stage, server: DatabaseServer) {
  const { families, rounds } = stage.settings;
  stage.say(`refresh: ${families} families at once`);
  const url = await server.createDatabase('refresh_burst');
  await createTables(url, families);
  const worker = await startWorker('sigra', url, families);
  const samples: Sample[] = [];
  for (let round = 0; round <= rounds; round++) {
    const sample = await withDatabaseCpu(server, () => worker.call('burst', undefined));
    // The first is the warm-up.
    if (round > 0) samples.push(sample);
  }
  await worker.stop();
  return { families, figures: figuresOf(samples) };
}

async function startWorker(
  name: RefreshContestantName,
  url: string,
  families = FAMILIES,
): Promise<Child<RefreshWorker>> {
  const worker = await Child.start<RefreshWorker>(new URL('./workers/refresh-worker.ts', import.meta.url), {
    args: [name, url],
    execArgv: ['--expose-gc'],
  });
  await worker.call('signIn', { families });
  return worker;
}
