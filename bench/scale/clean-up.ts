import { figuresTable } from '../harness/figures-table.js';
import { byRound, figuresOf, withDatabaseCpu } from '../harness/rounds.js';
import type { Sample } from '../harness/sample.js';
import type { Findings } from '../harness/section.js';
import { seedTokens } from '../harness/seed.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { IN_FLIGHT, startNode } from './sigra-node.js';

/** Turns that together take about as long as clean-up. */
const QUIET_TURNS = 7;

/** The effect of the nightly clean-up on users. It runs in the process that serves them. */
export async function measureCleanUp(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { expiredTokens, scaleTokens, users, tokensOfOneUser, turn, warmUp, slowRounds } = stage.settings;
  const server = await stage.server();
  const node = await startNode(usual);
  const load = { inFlight: IN_FLIGHT, tokens: scaleTokens[1] / 2 };
  let seed = 0;
  const quiet = (seconds: number) => node.call('turn', { ...load, seconds, seed: ++seed });
  const samples: Record<'without' | 'during', Sample[]> = { without: [], during: [] };
  const durations: number[] = [];
  for (let round = 0; round < slowRounds; round++) {
    stage.say(`scale: clean-up of ${expiredTokens} expired tokens, round ${round + 1}`);
    await seedTokens(usual, {
      from: scaleTokens[1] + slowRounds * tokensOfOneUser + round * expiredTokens + 1,
      count: expiredTokens,
      owner: `1 + i % ${users}`,
      expiresAt: "now() - interval '1 hour'",
    });
    await quiet(warmUp);
    samples.without.push(await withDatabaseCpu(server, () => quiet(turn * QUIET_TURNS)));
    const during = await withDatabaseCpu(server, () => node.call('turnDuringCleanUp', { ...load, seed: ++seed }));
    if (during.deleted !== expiredTokens) throw new Error(`${during.deleted} of ${expiredTokens} tokens were deleted`);
    samples.during.push(during);
    durations.push(during.cleanUpSeconds);
  }
  await node.stop();

  const figures = { without: figuresOf(samples.without), during: figuresOf(samples.during) };
  const rows = expiredTokens.toLocaleString('en-US');
  return {
    demands: [
      {
        what: `verify p99 while clean-up deletes ${rows} rows, against p99 without`,
        bound: 'at most',
        limit: 2,
        unit: 'times',
        measured: byRound(figures, ({ during, without }) => during.p99 / without.p99),
      },
    ],
    tables: [
      figuresTable(`Verification while clean-up runs, ${IN_FLIGHT} in flight`, 'verifications', [
        ['without clean-up', figures.without],
        ['during clean-up', figures.during],
      ]),
    ],
    charts: [],
    notes: [
      `In each of ${slowRounds} rounds, clean-up deleted ${rows} rows in the process that verified at the same time: in ` +
        `${durations.map((each) => each.toFixed(1)).join(', ')} s. The CPU during clean-up includes that of clean-up.`,
    ],
  };
}
