import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PgBouncer } from '../../tools/pg-bouncer/src/pg-bouncer.js';

const run = promisify(execFile);

/** Starts PgBouncer, and installs Debian's package before if it is missing. @returns undefined if it is not available */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer | undefined> {
  return (await start(databaseUrl)) ?? ((await install()) ? start(databaseUrl) : undefined);
}

function start(databaseUrl: string): Promise<PgBouncer | undefined> {
  return PgBouncer.start(databaseUrl).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  });
}

function install(): Promise<boolean> {
  if (process.getuid?.() !== 0) return Promise.resolve(false);
  return run('apt-get', ['install', '--yes', '--no-install-recommends', 'pgbouncer']).then(
    () => true,
    () => false,
  );
}
