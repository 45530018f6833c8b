import { median } from '../harness/statistics.js';
import type { Findings } from '../harness/section.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { IN_FLIGHT, startNode } from './sigra-node.js';

const REVOKED = 100;

/** Two processes on one database: their total rate, and whether each sees the revocations of the other at once. */
export async function measureTwoNodes(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { rounds, turn, warmUp, scaleTokens } = stage.settings;
  stage.say('scale: two processes on one database');
  const [, tokens] = scaleTokens;
  const nodes = await Promise.all([startNode(usual), startNode(usual)]);
  const [one, other] = nodes;
  let seed = 0;
  const together = async (running: readonly (typeof one)[], seconds: number) => {
    const samples = await Promise.all(
      // The last tokens are revoked below.
      running.map((node) =>
        node.call('turn', { inFlight: IN_FLIGHT, seconds, tokens: tokens - REVOKED, seed: ++seed }),
      ),
    );
    return samples.reduce((sum, sample) => sum + sample.operations / sample.seconds, 0);
  };
  await together(nodes, warmUp);
  const alone: number[] = [];
  const both: number[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await together([one], turn));
    both.push(await together(nodes, turn));
  }
  let late = 0;
  for (let token = tokens - REVOKED + 1; token <= tokens; token++) {
    await one.call('revoke', { token });
    if (!(await other.call('isRefused', { token }))) late++;
  }
  await Promise.all(nodes.map((node) => node.stop()));
  return {
    demands: [],
    tables: [
      {
        title: `Processes on one database, ${IN_FLIGHT} in flight in each`,
        columns: ['', 'verifications/s in total'],
        rows: [
          ['one process', median(alone)],
          ['two processes', median(both)],
        ],
      },
    ],
    charts: [],
    notes: [
      `One process revoked ${REVOKED} tokens; the next verification in the other process accepted ${late} of them.`,
    ],
  };
}
