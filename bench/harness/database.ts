import { mkdtemp } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type LocalPostgres, startLocalPostgres } from '../../apps/demo/src/postgres/local-postgres.js';

/**
 * What PostgreSQL's manual tells every server to have. With the default of 128 MB the tables would not fit, and what is
 * measured would be how the system keeps files in its memory.
 */
const SETTINGS = { shared_buffers: `${Math.floor(totalmem() / 4 / 2 ** 20)}MB` };

/** A PostgreSQL server of its own, and databases on it. */
export class DatabaseServer {
  private constructor(
    private readonly server: LocalPostgres,
    readonly durable: boolean,
  ) {}

  /** @param durable whether commits wait for the disk; only what measures commits needs that */
  static async start({ durable }: { durable: boolean }): Promise<DatabaseServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'sigra-bench-'));
    return new DatabaseServer(
      await startLocalPostgres({ dataDir, persistent: false, durable, settings: SETTINGS }),
      durable,
    );
  }

  get url(): string {
    return this.server.url;
  }

  async createDatabase(name: string): Promise<string> {
    await withClient(this.url, (client) => client.query(`CREATE DATABASE ${name}`));
    return Object.assign(new URL(this.url), { pathname: name }).href;
  }

  async dropDatabase(name: string): Promise<void> {
    await withClient(this.url, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
