import type { Findings } from '../harness/section.js';
import { seedTokens } from '../harness/seed.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { startNode } from './sigra-node.js';

const TIMES = 200;

/** A user with very many tokens: its pages, and one call that revokes all of them. */
export async function measureManyTokens(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { tokensOfOneUser, scaleTokens, users } = stage.settings;
  stage.say('scale: a user with very many tokens');
  // A separate user, after all others.
  const user = users + 1;
  await seedTokens(usual, {
    from: scaleTokens[1] + 1,
    count: tokensOfOneUser,
    owner: String(user),
    createdAt: "now() - interval '1 day' + i * interval '1 millisecond'",
  });
  const node = await startNode(usual);
  await node.call('pages', { user, times: TIMES });
  const { pages, first, last } = await node.call('pages', { user, times: TIMES });
  const { revoked, milliseconds } = await node.call('revokeAll', { user });
  await node.stop();
  if (revoked !== tokensOfOneUser) throw new Error(`${revoked} of ${tokensOfOneUser} tokens were revoked`);
  return {
    demands: [],
    tables: [
      {
        title: `A user with ${tokensOfOneUser.toLocaleString('en-US')} tokens among ${scaleTokens[1].toLocaleString('en-US')}`,
        columns: ['', 'ms'],
        rows: [
          ['first page of 50', first],
          [`last page (of ${pages})`, last],
          [`revokeAll of ${revoked.toLocaleString('en-US')}`, milliseconds],
        ],
      },
    ],
    charts: [],
    notes: [`Pages: median of ${TIMES} sequential calls.`],
  };
}
