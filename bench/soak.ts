import { Child } from './harness/child-process.js';
import { withClient } from './harness/database.js';
import type { Findings } from './harness/section.js';
import { createTables, seedTokens } from './harness/seed.js';
import { usedBetween } from './harness/server-cpu.js';
import type { Stage } from './harness/stage.js';
import { CONNECTIONS } from './soak/mixed-load.js';
import { findingsOf, type Observation } from './soak/soak-findings.js';
import type { SoakLoad } from './workers/soak-load.js';
import type { SoakServer } from './workers/soak-server.js';

export const title = 'Mixed load for five minutes, on Fastify';

const OBSERVATIONS = 60;

export async function run(stage: Stage): Promise<Findings> {
  const seconds = stage.settings.soak;
  const connections = Object.values(CONNECTIONS).reduce((sum, count) => sum + count, 0);
  const database = await stage.server();
  const databaseUrl = await database.createDatabase('soak');
  await createTables(databaseUrl, 1000);
  await seedTokens(databaseUrl, { count: 10_000, owner: '1 + i % 1000', lastUsedAt: 'NULL' });
  const server = await Child.start<SoakServer>(new URL('./workers/soak-server.ts', import.meta.url), {
    args: [databaseUrl],
    execArgv: ['--expose-gc'],
  });
  const load = await Child.start<SoakLoad>(new URL('./workers/soak-load.ts', import.meta.url));
  const url = await server.call('url', undefined);
  const signIns = await server.call('signIn', { count: connections });

  stage.say(`soak: ${seconds} seconds`);
  const [cpuBefore, databaseBefore] = [await server.call('cpu', undefined), await database.cpu()];
  const start = performance.now();
  const loading = load.call('run', { url, seconds, signIns });
  const observations: Observation[] = [];
  for (let number = 1; number < OBSERVATIONS; number++) {
    const due = start + (seconds * 1000 * number) / OBSERVATIONS;
    // Also ends with the load, should that fail.
    await Promise.race([loading, new Promise((resolve) => setTimeout(resolve, due - performance.now()))]);
    const vitals = await server.call('vitals', undefined);
    const at = (performance.now() - start) / 1000;
    observations.push({ at, ...vitals, connections: await countConnections(databaseUrl) });
  }
  const result = await loading;
  const cpu = {
    server: (await server.call('cpu', undefined)) - cpuBefore,
    database: usedBetween(databaseBefore, await database.cpu()),
  };
  await Promise.all([server.stop(), load.stop()]);
  await database.dropDatabase('soak');
  return findingsOf(result, observations, seconds, cpu);
}

/** Connections of the server to its database. */
function countConnections(databaseUrl: string): Promise<number> {
  return withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: string }>(
      'SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    return Number(rows[0]?.count);
  });
}
