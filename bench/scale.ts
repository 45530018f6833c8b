import type { Demand, Findings } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import { measureCleanUp } from './scale/clean-up.js';
import { measureManyTokens } from './scale/many-tokens.js';
import { measurePgBouncer } from './scale/pgbouncer.js';
import { measureSizes } from './scale/sizes.js';
import { measureProcesses } from './scale/processes.js';
import { seedScale } from './scale/seed-scale.js';

export const title = 'Large tables, users with many tokens, several nodes';

export async function run(stage: Stage): Promise<Findings> {
  const urls = await seedScale(stage);
  const parts: Findings[] = [];
  // Last, because it leaves dead rows in the table.
  for (const measure of [measureSizes, measureProcesses, measurePgBouncer, measureManyTokens, measureCleanUp]) {
    parts.push(await measure(stage, urls));
  }
  const server = await stage.server();
  for (const name of urls.names) await server.dropDatabase(name);
  return {
    demands: parts.flatMap<Demand>(({ demands }) => demands),
    tables: parts.flatMap(({ tables }) => tables),
    charts: parts.flatMap(({ charts }) => charts),
    notes: parts.flatMap(({ notes }) => notes),
  };
}
