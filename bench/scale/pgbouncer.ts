import { figuresTable } from '../harness/figures-table.js';
import { startPgBouncer } from '../harness/pgbouncer.js';
import { inTurn } from '../harness/rounds.js';
import type { Findings } from '../harness/section.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { IN_FLIGHT, startNode } from './sigra-node.js';

/** The same verification with and without a transaction pooler. */
export async function measurePgBouncer(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { scaleTokens } = stage.settings;
  stage.say('scale: through PgBouncer');
  const pooler = await startPgBouncer(usual);
  if (!pooler) {
    const notes = ['Not measured through PgBouncer: it is not installed, and only root can install it.'];
    return { demands: [], tables: [], charts: [], notes };
  }
  const nodes = await Promise.all([startNode(usual), startNode(pooler.url)]);
  let seed = 0;
  const turnOf = (node: (typeof nodes)[number], seconds: number) =>
    node.call('turn', { inFlight: IN_FLIGHT, seconds, tokens: scaleTokens[1] / 2, seed: ++seed });
  const figures = await inTurn(
    { ...stage.settings, server: await stage.server() },
    {
      direct: (seconds) => turnOf(nodes[0], seconds),
      pooled: (seconds) => turnOf(nodes[1], seconds),
    },
  );
  await Promise.all(nodes.map((node) => node.stop()));
  await pooler.stop();
  return {
    demands: [],
    tables: [
      figuresTable(`Through PgBouncer in transaction mode, ${IN_FLIGHT} in flight`, 'verifications', [
        ['directly', figures.direct],
        ['through PgBouncer', figures.pooled],
      ]),
    ],
    charts: [],
    notes: [],
  };
}
