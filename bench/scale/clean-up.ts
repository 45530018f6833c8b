import { figuresTable } from '../harness/figures-table.js';
import { figuresOf } from '../harness/rounds.js';
import type { Findings } from '../harness/section.js';
import { seedTokens } from '../harness/seed.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { IN_FLIGHT, startNode } from './sigra-node.js';

/** Turns that together take about as long as clean-up. */
const QUIET_TURNS = 7;

/** The effect of the nightly clean-up on users. It runs in the process that serves them. */
export async function measureCleanUp(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { expiredTokens, scaleTokens, users, tokensOfOneUser, turn, warmUp } = stage.settings;
  stage.say(`scale: clean-up of ${expiredTokens} expired tokens`);
  await seedTokens(usual, {
    from: scaleTokens[1] + tokensOfOneUser + 1,
    count: expiredTokens,
    owner: `1 + i % ${users}`,
    expiresAt: "now() - interval '1 hour'",
  });
  const node = await startNode(usual);
  const load = { inFlight: IN_FLIGHT, tokens: scaleTokens[1] / 2 };
  const quiet = (seconds: number, seed: number) => node.call('turn', { ...load, seconds, seed });
  await quiet(warmUp, 1);
  const before = await quiet(turn * QUIET_TURNS, 2);
  const during = await node.call('turnDuringCleanUp', { ...load, seed: 3 });
  const after = await quiet(turn * QUIET_TURNS, 4);
  await node.stop();
  if (during.deleted !== expiredTokens) throw new Error(`${during.deleted} of ${expiredTokens} tokens were deleted`);

  const without = figuresOf([before, after]);
  const meanwhile = figuresOf([during.sample]);
  const rows = expiredTokens.toLocaleString('en-US');
  return {
    demands: [
      {
        what: `verify p99 while clean-up deletes ${rows} rows, against p99 without`,
        bound: 'at most',
        limit: 2,
        unit: 'times',
        measured: meanwhile.p99 / without.p99,
      },
    ],
    tables: [
      figuresTable(`Verification while clean-up runs, ${IN_FLIGHT} in flight`, 'verifications', [
        ['without clean-up', without],
        ['during clean-up', meanwhile],
      ]),
    ],
    charts: [],
    notes: [
      `Clean-up deleted ${rows} rows in ${during.seconds.toFixed(1)} s, in the process that verified at the same time. The ` +
        'figures without clean-up are the mean of turns before and after.',
    ],
  };
}
