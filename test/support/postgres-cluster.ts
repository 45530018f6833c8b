import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LocalPostgres, startLocalPostgres } from '../../tools/local-postgres/src/local-postgres.js';
import { eventually } from './eventually.js';
import { scratchParent } from './scratch-folder.js';

const run = promisify(execFile);

/** `fast` ends sessions and rolls back, `immediate` skips the shutdown checkpoint, and `kill` is SIGKILL. */
export type StopMode = 'fast' | 'immediate' | 'kill';

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

/** A PostgreSQL server of one test, which can be stopped, killed, frozen and started again on its port. */
export class PostgresCluster {
  private constructor(
    readonly dataDir: string,
    private readonly settings: Readonly<Record<string, string>>,
    private server: LocalPostgres,
  ) {}

  /** @param parent the folder to make the cluster in. @default a folder in memory, if possible */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    parent = scratchParent(),
  ): Promise<PostgresCluster> {
    const dataDir = await mkdtemp(join(parent, 'sigra-faults-'));
    // A commit that was answered must survive the end of the server.
    const all = { max_wal_size: '64MB', synchronous_commit: 'on', ...settings };
    return new PostgresCluster(dataDir, all, await launch(dataDir, all));
  }

  /** The URL of the superuser. */
  get url(): string {
    return this.server.url;
  }

  get port(): number {
    return this.server.port;
  }

  /** The folder of the server's files. */
  get data(): string {
    return join(this.dataDir, 'cluster', 'data');
  }

  async stop(mode: StopMode): Promise<void> {
    const postmaster = await this.postmaster();
    const children = await childrenOf(postmaster);
    process.kill(postmaster, SIGNALS[mode]);
    // Waits for the server, and releases the folder.
    await this.server.stop();
    await eventually(() => [postmaster, ...children].every((pid) => !isAlive(pid)));
  }

  async startAgain(): Promise<void> {
    this.server = await launch(this.dataDir, this.settings, this.port);
  }

  /** Stops all processes of the server without ending them, as a machine that is paused. @returns continues them */
  async freeze(): Promise<() => void> {
    const postmaster = await this.postmaster();
    const pids = [postmaster, ...(await childrenOf(postmaster))];
    for (const pid of pids) signal(pid, 'SIGSTOP');
    return () => pids.forEach((pid) => signal(pid, 'SIGCONT'));
  }

  isRunning(): Promise<boolean> {
    return this.postmaster().then(isAlive, () => false);
  }

  /** Ends the server and deletes its files. */
  async dispose(): Promise<void> {
    await this.server.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async postmaster(): Promise<number> {
    return Number((await readFile(join(this.data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  }
}

function launch(dataDir: string, settings: Readonly<Record<string, string>>, port?: number): Promise<LocalPostgres> {
  return startLocalPostgres({ dataDir, port, durable: false, settings, print: () => undefined });
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter(Boolean).map(Number);
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  return signal(pid, 0);
}
