import { mkdtemp } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type LocalPostgres, startLocalPostgres } from '../../tools/local-postgres/src/local-postgres.js';
import { reserveHugePages } from './huge-pages.js';
import { type CpuTimes, ServerCpu } from './server-cpu.js';

/**
 * The size that PostgreSQL's manual recommends, in MiB. With the default of 128 the tables would not fit, and the benchmark
 * would measure the file cache of the system.
 */
const SHARED_BUFFERS = Math.floor(totalmem() / 4 / 2 ** 20);

/** A separate PostgreSQL server and its databases. */
export class DatabaseServer {
  private static withSmallPages = 0;
  private readingCpu: Promise<ServerCpu> | undefined;

  private constructor(
    private readonly server: LocalPostgres,
    readonly durable: boolean,
    private readonly giveBackHugePages: (() => void) | undefined,
  ) {}

  /** Whether all servers so far had huge pages. */
  static get hadHugePages(): boolean {
    return DatabaseServer.withSmallPages === 0;
  }

  /** @param durable whether commits wait for the disk; only benchmarks of commits need this */
  static async start({ durable }: { durable: boolean }): Promise<DatabaseServer> {
    const dataDir = await mkdtemp(join(tmpdir(), 'sigra-bench-'));
    const giveBack = reserveHugePages(SHARED_BUFFERS);
    if (!giveBack) DatabaseServer.withSmallPages++;
    const settings = { shared_buffers: `${SHARED_BUFFERS}MB`, huge_pages: giveBack ? 'on' : 'off' };
    return new DatabaseServer(
      await startLocalPostgres({ dataDir, persistent: false, durable, settings }),
      durable,
      giveBack,
    );
  }

  /** Reads the CPU time of the server's processes. */
  async cpu(): Promise<CpuTimes> {
    this.readingCpu ??= serverCpuAt(this.url);
    return (await this.readingCpu).read();
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

  async stop(): Promise<void> {
    await this.server.stop();
    this.giveBackHugePages?.();
  }
}

/** Finds the processes of a server on this machine. */
export function serverCpuAt(url: string): Promise<ServerCpu> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return ServerCpu.of(rows[0]?.pid ?? NaN);
  });
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
