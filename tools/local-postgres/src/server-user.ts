import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The account of the server when this process runs as root, because PostgreSQL refuses to run as root. */
export interface ServerUser {
  name: string;
  uid: number;
  gid: number;
}

/** Excludes the caller's environment: its `PGOPTIONS` would change the server, and its secrets are not needed. */
export const SERVER_ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: 'C' };

const run = promisify(execFile);

/** Returns `undefined` if the server runs under the account of this process. */
export async function findServerUser(dataDir: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  // A database that an ordinary user created keeps running as that user, who could not open it otherwise.
  const made = await stat(join(dataDir, 'cluster', 'data')).catch(() => undefined);
  if (made && made.uid !== 0) {
    return { name: `user ${made.uid}`, uid: made.uid, gid: made.gid };
  }
  // No account is created, because every system has `nobody`.
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
      return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      continue;
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and this system has neither an account `postgres` nor `nobody`. ' +
      'Run the demo as an ordinary user, or start a server yourself and set DATABASE_URL.',
  );
}

export async function runAs(user: ServerUser | undefined, file: string, args: string[]): Promise<void> {
  try {
    // From the root folder, because the account possibly cannot enter the current one.
    await run(file, args, { cwd: '/', env: SERVER_ENVIRONMENT, ...identity(user) });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw new Error(`${file} failed: ${String(error)}\n${stderr}\nYou can also set DATABASE_URL.`, { cause: error });
  }
}

/** Tests the access itself, which covers every parent folder, group and access list. */
export async function canReach(user: ServerUser | undefined, path: string, access: 'read' | 'write'): Promise<boolean> {
  try {
    const script = 'test -r "$1" && { test "$2" = read || test -w "$1"; }';
    await run('sh', ['-c', script, 'sh', path, access], { cwd: '/', ...identity(user) });
    return true;
  } catch {
    return false;
  }
}

export function identity(user: ServerUser | undefined): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}
