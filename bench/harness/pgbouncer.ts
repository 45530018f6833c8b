import { PgBouncer } from '../../tools/pg-bouncer/src/pg-bouncer.js';
import { install } from './debian-package.js';

/** Starts PgBouncer, and installs Debian's package before if it is missing. @returns undefined if it is not available */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer | undefined> {
  return (await start(databaseUrl)) ?? ((await install('pgbouncer')) ? start(databaseUrl) : undefined);
}

function start(databaseUrl: string): Promise<PgBouncer | undefined> {
  return PgBouncer.start(databaseUrl).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  });
}
