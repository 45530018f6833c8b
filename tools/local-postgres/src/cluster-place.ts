import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readlink, realpath, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canReach, type ServerUser } from './server-user.js';

/** Root's servers use this folder in place of one that only root can enter, such as /root. */
export const SHARED_PLACE = '/var/lib/sigra-demo';

/**
 * The folder of the cluster: `<dataDir>/cluster`, or, when the server's account cannot reach it, a folder under
 * {@link SHARED_PLACE} with a link to it in `<dataDir>/cluster`. The permissions of existing folders do not change.
 */
export async function placeCluster(
  dataDir: string,
  user: ServerUser | undefined,
  { persistent, print }: { persistent: boolean; print: (line: string) => void },
): Promise<string> {
  const place = join(await realpath(dataDir), 'cluster');
  const existing = await lstat(place).catch(() => undefined);
  if (existing) {
    const home = existing.isSymbolicLink() ? await readlink(place) : place;
    if (user && home.startsWith(SHARED_PLACE)) {
      await makeFor(user, home);
    }
    if (!(await canReach(user, home, 'write'))) {
      throw new Error(
        `${user ? `The ${user.name} account` : 'This user'} has no access to the database in ${home}. ` +
          'Run the demo as the user that created it, delete it, or set DEMO_DATA_DIR.',
      );
    }
    return home;
  }

  await makeFor(user, place);
  if (!persistent && user) {
    // The server's account owns the temporary folder, so that its supervisor can delete it if this process is killed.
    await chown(dataDir, user.uid, user.gid);
  }
  if (!user || (await canReach(user, place, 'write'))) {
    return place;
  }

  await rmdir(place);
  const elsewhere = join(await sharedPlace(), createHash('sha256').update(place).digest('hex').slice(0, 16));
  // A folder without a link belongs to a deleted data folder.
  await rm(elsewhere, { recursive: true, force: true });
  await makeFor(user, elsewhere);
  await symlink(elsewhere, place);
  print(`PostgreSQL runs as ${user.name}, which cannot enter ${dirname(place)}, so the database is in ${elsewhere}.`);
  return elsewhere;
}

/** The folder for root's servers. Root owns it, so that no other user can write to it. */
export async function sharedPlace(): Promise<string> {
  await mkdir(SHARED_PLACE, { recursive: true });
  await chmod(SHARED_PLACE, 0o755);
  return SHARED_PLACE;
}

async function makeFor(user: ServerUser | undefined, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (user) {
    await chown(directory, user.uid, user.gid);
  }
}
