import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../local-postgres/src/free-port.js';
import { findServerUser, identity, type ServerUser } from '../../local-postgres/src/server-user.js';

/** Connections to PostgreSQL, for all clients together. */
export const POOLED_BACKENDS = 10;

const START_MS = 60_000;
/** `SIGRA_PGBOUNCER` names another version than the installed one. */
export const PROGRAM = process.env.SIGRA_PGBOUNCER ?? 'pgbouncer';
/** Debian has it in a folder that not every account searches. */
export const SEARCHED = { PATH: `${process.env.PATH ?? ''}:/usr/sbin` };

/** Settings that not every version has. */
export interface PgBouncerSettings {
  /** Since 1.21: so many prepared statements are kept for each connection. @default that of the version */
  readonly max_prepared_statements?: number | undefined;
}

/** PgBouncer in transaction mode in front of a database, which can be killed and started again on its port. */
export class PgBouncer {
  private constructor(
    /** The URL of the same database through PgBouncer. */
    readonly url: string,
    private readonly folder: string,
    private readonly user: ServerUser | undefined,
    private process: ChildProcess,
  ) {}

  /** @throws an error with the code `ENOENT` if PgBouncer is not installed */
  static async start(databaseUrl: string, settings: PgBouncerSettings = {}): Promise<PgBouncer> {
    const folder = await mkdtemp(join(tmpdir(), 'sigra-pgbouncer-'));
    try {
      // It refuses to run as root, so its files belong to the account that it runs under.
      const user = await findServerUser(folder);
      const port = await freePort();
      await configure(folder, user, new URL(databaseUrl), port, settings);
      const url = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) }).href;
      return new PgBouncer(url, folder, user, await launch(folder, user, url));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Kills it with SIGKILL. */
  kill(): Promise<void> {
    return end(this.process, 'SIGKILL');
  }

  async startAgain(): Promise<void> {
    this.process = await launch(this.folder, this.user, this.url);
  }

  async stop(): Promise<void> {
    await end(this.process, 'SIGINT');
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function configure(
  folder: string,
  user: ServerUser | undefined,
  target: URL,
  port: number,
  { max_prepared_statements: kept }: PgBouncerSettings,
): Promise<void> {
  const files = {
    'users.txt': `"${target.username}" "${target.password}"\n`,
    'pgbouncer.ini': `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = ${POOLED_BACKENDS}
${kept === undefined ? '' : `max_prepared_statements = ${kept}\n`}`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
  if (!user) return;
  for (const name of ['', ...Object.keys(files)]) await chown(join(folder, name), user.uid, user.gid);
}

/** Starts the program, and waits until it accepts connections. */
async function launch(folder: string, user: ServerUser | undefined, url: string): Promise<ChildProcess> {
  const child = spawn(PROGRAM, ['-q', join(folder, 'pgbouncer.ini')], {
    stdio: 'ignore',
    env: SEARCHED,
    ...identity(user),
  });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  child.once('exit', () => process.off('exit', killed));
  try {
    // Rejects if the program is not installed.
    await once(child, 'spawn');
  } catch (cause) {
    process.off('exit', killed);
    const { code } = cause as NodeJS.ErrnoException;
    throw Object.assign(new Error('PgBouncer is needed. On Debian: apt-get install pgbouncer', { cause }), { code });
  }
  for (const deadline = performance.now() + START_MS; !(await accepts(url));) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`);
    if (performance.now() > deadline) {
      await end(child, 'SIGKILL');
      throw new Error('PgBouncer accepts no connections');
    }
    await delay(20);
  }
  return child;
}

async function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
