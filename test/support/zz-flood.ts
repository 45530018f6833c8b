import { malformedTokens, unknownTokens } from './floods.js';
import { ServerNode } from './server-node.js';
import { startLocalPostgres } from '../../tools/local-postgres/src/local-postgres.js';
import { DataSource } from 'typeorm';
import { sigraMigrations } from 'nestjs-sigra';
import { mkdtemp } from 'node:fs/promises';
const pg = await startLocalPostgres({ dataDir: await mkdtemp('/dev/shm/zz-'), persistent: false });
const ds = new DataSource({ type: 'postgres', url: pg.url, migrations: sigraMigrations });
await ds.initialize(); await ds.runMigrations();
await ds.query(`CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL, password_hash text NOT NULL DEFAULT 'secret', disabled_at timestamptz)`);
await ds.destroy();
for (const adapter of ['express', 'fastify'] as const) {
  const node = await ServerNode.start({ adapter, databaseUrl: pg.url, poolSize: 10 });
  for (const [name, flood] of [['unknown', unknownTokens], ['malformed', malformedTokens], ['unknown', unknownTokens], ['malformed', malformedTokens]] as const) {
    const end = await flood(node.url);
    await new Promise((r) => setTimeout(r, 6000));
    console.log(adapter, name, (await end()).count / 6);
  }
  await node.stop();
}
await pg.stop();
