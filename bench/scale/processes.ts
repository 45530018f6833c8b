import { withClient } from '../harness/database.js';
import { figuresTable } from '../harness/figures-table.js';
import { inTurn } from '../harness/rounds.js';
import type { Sample } from '../harness/sample.js';
import type { Findings } from '../harness/section.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { startNode } from './sigra-node.js';

const COUNTS = [1, 2, 4] as const;
/** Of all processes together, so that they differ in nothing but their number. */
const IN_FLIGHT = 256;
const REVOKED = 100;

/** One, two and four processes on one database: rate, CPU and connections, and whether each sees the revocations of another. */
export async function measureProcesses(stage: Stage, { usual }: ScaleDatabases): Promise<Findings> {
  const { scaleTokens } = stage.settings;
  stage.say('scale: several processes on one database');
  const [, tokens] = scaleTokens;
  const nodes = await Promise.all(Array.from({ length: Math.max(...COUNTS) }, () => startNode(usual)));
  let seed = 0;
  const together = async (count: number, seconds: number): Promise<Sample> => {
    const samples = await Promise.all(
      nodes.slice(0, count).map((node) =>
        // The last tokens are revoked below.
        node.call('turn', { inFlight: IN_FLIGHT / count, seconds, tokens: tokens - REVOKED, seed: ++seed }),
      ),
    );
    const sum = (value: (sample: Sample) => number) => samples.reduce((total, sample) => total + value(sample), 0);
    return {
      operations: sum(({ operations }) => operations),
      seconds: sum((sample) => sample.seconds) / count,
      cpuMicros: sum(({ cpuMicros }) => cpuMicros),
      p50: sum(({ p50 }) => p50) / count,
      p99: Math.max(...samples.map(({ p99 }) => p99)),
    };
  };
  const figures = await inTurn(
    { ...stage.settings, server: await stage.server() },
    Object.fromEntries(COUNTS.map((count) => [`${count}`, (seconds: number) => together(count, seconds)])),
  );
  const connections = await connectionsTo(usual);
  const [one, ...others] = nodes;
  let late = 0;
  for (let token = tokens - REVOKED + 1; token <= tokens; token++) {
    await one?.call('revoke', { token });
    const refusals = await Promise.all(others.map((other) => other.call('isRefused', { token })));
    late += refusals.filter((isRefused) => !isRefused).length;
  }
  await Promise.all(nodes.map((node) => node.stop()));
  return {
    demands: [],
    tables: [
      figuresTable(
        `Processes on one database, ${IN_FLIGHT} verifications in flight in all of them together`,
        'verifications',
        Object.entries(figures).map(([count, each]) => [count === '1' ? 'one process' : `${count} processes`, each]),
      ),
    ],
    charts: [],
    notes: [
      `The ${nodes.length} processes had ${connections} connections together, although each can have ten.`,
      `One process revoked ${REVOKED} tokens; the next verifications in the ${others.length} other processes accepted ${late} of them.`,
    ],
  };
}

async function connectionsTo(url: string): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      'SELECT count(*)::integer FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return rows[0]?.count ?? NaN;
  });
}
