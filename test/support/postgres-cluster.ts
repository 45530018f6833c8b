import { execFile } from 'node:child_process';
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LocalPostgres, startLocalPostgres } from '../../tools/local-postgres/src/local-postgres.js';
import { onDatabase } from './database.js';
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
    const dataDir = await makeFolder(parent);
    const all = {
      max_wal_size: '64MB',
      // A commit that was answered must survive the end of the server.
      synchronous_commit: 'on',
      // In the folder of the server, so that nothing is left of one that was killed.
      dynamic_shared_memory_type: 'mmap',
      ...settings,
    };
    return new PostgresCluster(dataDir, all, await launch(dataDir, all));
  }

  /**
   * Makes a copy of a server, which may not be busy, and lets it follow. Every later commit at the primary waits until the
   * copy has it.
   *
   * @param source the URL of the primary that the copy uses
   */
  static async standbyOf(primary: PostgresCluster, source = primary.url): Promise<PostgresCluster> {
    const standby = await PostgresCluster.replicaOf(primary, source);
    await onDatabase(primary.url, async (client) => {
      await client.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`);
      await client.query('SELECT pg_reload_conf()');
      await eventually(async () => {
        const { rowCount } = await client.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`);
        return rowCount === 1;
      });
    });
    return standby;
  }

  /**
   * Like `standbyOf`, but no commit waits for the copy.
   *
   * @param more settings of the copy
   */
  static async replicaOf(
    primary: PostgresCluster,
    source = primary.url,
    more: Readonly<Record<string, string>> = {},
  ): Promise<PostgresCluster> {
    const dataDir = await makeFolder(scratchParent());
    const home = join(dataDir, 'cluster');
    const data = join(home, 'data');
    await onDatabase(primary.url, async (client) => {
      await client.query(`SELECT pg_backup_start('standby', fast => true)`);
      await run('cp', ['-a', join(primary.dataDir, 'cluster'), home]);
      const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop()');
      await writeFile(join(data, 'backup_label'), rows[0]!.labelfile);
    });
    await rm(join(data, 'postmaster.pid'));
    await writeFile(join(data, 'standby.signal'), '');
    const settings = [`primary_conninfo = '${source}?application_name=standby'`, `synchronous_standby_names = ''`];
    await appendFile(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
    await run('chown', ['-R', `--reference=${join(data, 'PG_VERSION')}`, data]);
    const all = { ...primary.settings, ...more };
    return new PostgresCluster(dataDir, all, await launch(dataDir, all));
  }

  /** Makes a primary of a standby. */
  async promote(): Promise<void> {
    await onDatabase(this.url, (client) => client.query('SELECT pg_promote()'));
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

  /** Starts the server again if it has ended by itself, and waits until it answers. */
  async revive(): Promise<void> {
    await eventually(async () => {
      if (!(await this.isRunning())) {
        await this.server.stop();
        await this.startAgain();
      }
      await onDatabase(this.url, (client) => client.query('SELECT'));
    });
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
    await this.removeSharedMemory();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private async postmaster(): Promise<number> {
    return Number((await this.pidFile())[0]);
  }

  /** Removes the segment that a server leaves when it was killed. Otherwise only its next start does. */
  private async removeSharedMemory(): Promise<void> {
    const segment = (await this.pidFile().catch(() => []))[6]?.trim().split(/ +/)[1];
    if (segment !== undefined) await run('ipcrm', ['-m', segment]);
  }

  private async pidFile(): Promise<string[]> {
    return (await readFile(join(this.data, 'postmaster.pid'), 'utf8')).split('\n');
  }
}

async function makeFolder(parent: string): Promise<string> {
  const dataDir = await mkdtemp(join(parent, 'sigra-faults-'));
  // The server does not run as root and must have access.
  await chmod(dataDir, 0o755);
  return dataDir;
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
