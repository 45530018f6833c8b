import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServerUser, identity, type ServerUser } from '../../tools/local-postgres/src/server-user.js';
import { onDatabase } from './database.js';
import { eventually } from './eventually.js';

/** Connections to PostgreSQL, for all clients together. */
export const POOLED_BACKENDS = 10;

/** PgBouncer in transaction mode in front of a database, which can be killed and started again on its port. */
export class PgBouncer {
  private constructor(
    /** The URL of the same database through PgBouncer. */
    readonly url: string,
    private readonly folder: string,
    private readonly user: ServerUser | undefined,
    private process: ChildProcess,
  ) {}

  static async start(databaseUrl: string): Promise<PgBouncer> {
    const folder = await mkdtemp(join(tmpdir(), 'sigra-pgbouncer-'));
    // It refuses to run as root, so its files belong to the account that it runs under.
    const user = await findServerUser(folder);
    const { username, password, hostname, port: target } = new URL(databaseUrl);
    const port = await freePort();
    const files = {
      'users.txt': `"${username}" "${password}"\n`,
      'pgbouncer.ini': `[databases]
* = host=${hostname} port=${target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = ${POOLED_BACKENDS}
`,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
    if (user) {
      for (const name of ['', ...Object.keys(files)]) await chown(join(folder, name), user.uid, user.gid);
    }
    const url = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) }).href;
    return new PgBouncer(url, folder, user, await launch(folder, user, url));
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

/** Starts the program, and waits until it answers. Debian has it in a folder that not every account looks into. */
async function launch(folder: string, user: ServerUser | undefined, url: string): Promise<ChildProcess> {
  const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin` };
  const child = spawn('pgbouncer', ['-q', join(folder, 'pgbouncer.ini')], { stdio: 'ignore', env, ...identity(user) });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  child.once('exit', () => process.off('exit', killed));
  // Rejects if the program is not installed.
  await once(child, 'spawn');
  await eventually(async () => {
    const ended = child.exitCode !== null;
    return ended ? { ended } : onDatabase(url, (client) => client.query('SELECT 1'));
  });
  if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
