import { createTables, seedTokens } from '../harness/seed.js';
import type { Stage } from '../harness/stage.js';

/** The databases of `scale`, one for each number of tokens. */
export interface ScaleDatabases {
  readonly names: readonly string[];
  readonly small: string;
  readonly usual: string;
  readonly large: string;
}

export async function seedScale(stage: Stage): Promise<ScaleDatabases> {
  const { users, scaleTokens } = stage.settings;
  const server = await stage.server();
  const names: string[] = [];
  const urls: string[] = [];
  for (const count of scaleTokens) {
    stage.say(`seeding ${count} tokens`);
    const name = `scale_${count}`;
    const url = await server.createDatabase(name);
    await createTables(url, users);
    await seedTokens(url, { count, owner: `1 + i % ${users}` });
    names.push(name);
    urls.push(url);
  }
  const [small = '', usual = '', large = ''] = urls;
  return { names, small, usual, large };
}
