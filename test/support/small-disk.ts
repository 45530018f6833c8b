import { execFile } from 'node:child_process';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHUNKS = [2 ** 20, 4096] as const;

/** A file system of its own with little space, which can be filled. Only root can mount it. */
export class SmallDisk {
  private constructor(readonly path: string) {}

  static async mount(megabytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), 'sigra-disk-'));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]);
    // The server does not run as root and must have access.
    await chmod(path, 0o755);
    return new SmallDisk(path);
  }

  /** Takes all space that is left. */
  async fill(): Promise<void> {
    const file = await open(this.filler, 'a');
    try {
      for (const bytes of CHUNKS) {
        const chunk = Buffer.alloc(bytes);
        // A write that finds less space than it needs writes what fits.
        while (await file.write(chunk).then(({ bytesWritten }) => bytesWritten === bytes, isFull));
      }
    } finally {
      await file.close();
    }
  }

  /** Gives back what `fill` took. */
  free(): Promise<void> {
    return rm(this.filler, { force: true });
  }

  async unmount(): Promise<void> {
    await run('umount', [this.path]);
    await rm(this.path, { recursive: true });
  }

  private get filler(): string {
    return join(this.path, 'filler');
  }
}

function isFull(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOSPC') throw error;
  return false;
}
