import { execFile, type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findServerUser, identity } from '../../tools/local-postgres/src/server-user.js';
import { withClient } from './database.js';

const run = promisify(execFile);

export interface PgBouncer {
  /** The same database, through the pooler. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts PgBouncer in transaction mode in front of a database. @returns undefined if it is not available */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer | undefined> {
  const binary = await findBinary();
  if (!binary) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'sigra-pgbouncer-'));
  const user = await findServerUser(folder);
  const target = new URL(databaseUrl);
  const port = await freePort();
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
default_pool_size = 10
`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
  if (user) {
    // It refuses to run as root, so its files belong to the account that it runs under.
    for (const path of [folder, ...Object.keys(files).map((name) => join(folder, name))]) {
      await chown(path, user.uid, user.gid);
    }
  }
  const server = spawn(binary, ['-q', join(folder, 'pgbouncer.ini')], { stdio: 'ignore', ...identity(user) });
  const killed = () => server.kill('SIGKILL');
  process.once('exit', killed);
  const url = Object.assign(new URL(databaseUrl), { port: String(port) }).href;
  await untilItAnswers(url, server);
  return {
    url,
    stop: async () => {
      process.off('exit', killed);
      const exit = once(server, 'exit');
      server.kill('SIGINT');
      await exit;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Installs Debian's package, if possible. */
async function findBinary(): Promise<string | undefined> {
  const installed = await locate();
  if (installed ?? process.getuid?.() !== 0) return installed;
  await run('apt-get', ['install', '--yes', '--no-install-recommends', 'pgbouncer']).catch(() => undefined);
  return locate();
}

async function locate(): Promise<string | undefined> {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin` };
  const found = await run('sh', ['-c', 'command -v pgbouncer'], { env }).catch(() => undefined);
  return found?.stdout.trim();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilItAnswers(url: string, server: ChildProcess): Promise<void> {
  for (;;) {
    if (server.exitCode !== null) throw new Error(`PgBouncer ended with ${server.exitCode}`);
    const answered = await withClient(url, (client) => client.query('SELECT 1')).catch(() => undefined);
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
