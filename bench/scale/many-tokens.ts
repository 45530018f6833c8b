import type { Findings } from '../harness/section.js';
import { seedTokens } from '../harness/seed.js';
import { median } from '../harness/statistics.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import type { SigraWorker } from '../workers/sigra-worker.js';
import { startNode } from './sigra-node.js';

const TIMES = 200;

/** Users with very many tokens: their pages, and one call that revokes all tokens of a user. */
export async function measureManyTokens(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { tokensOfOneUser, scaleTokens, users, slowRounds } = stage.settings;
  stage.say('scale: users with very many tokens');
  const node = await startNode(usual);
  const rounds: Awaited<ReturnType<SigraWorker['manyTokens']>>[] = [];
  for (let round = 0; round < slowRounds; round++) {
    // A separate user, after all others.
    const user = users + 1 + round;
    await seedTokens(usual, {
      from: scaleTokens[1] + round * tokensOfOneUser + 1,
      count: tokensOfOneUser,
      owner: String(user),
      createdAt: "now() - interval '1 day' + i * interval '1 millisecond'",
    });
    await node.call('pages', { user, times: TIMES });
    const found = await node.call('manyTokens', { user, times: TIMES });
    if (found.revoked !== tokensOfOneUser) throw new Error(`${found.revoked} of ${tokensOfOneUser} were revoked`);
    rounds.push(found);
  }
  await node.stop();
  const medianOf = (value: (round: (typeof rounds)[number]) => number) => median(rounds.map(value));
  const count = tokensOfOneUser.toLocaleString('en-US');
  return {
    demands: [],
    tables: [
      {
        title: `A user with ${count} tokens among ${scaleTokens[1].toLocaleString('en-US')}`,
        columns: ['', 'ms'],
        rows: [
          ['first page of 50', medianOf(({ first }) => first)],
          [`last page (of ${medianOf(({ pages }) => pages)})`, medianOf(({ last }) => last)],
          [`revokeAll of ${count}`, medianOf(({ milliseconds }) => milliseconds)],
        ],
      },
    ],
    charts: [],
    notes: [`Medians over ${slowRounds} users. A page of one user is the median of ${TIMES} sequential calls.`],
  };
}
