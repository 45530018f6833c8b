import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHUNKS = [2 ** 20, 4096] as const;

/**
 * A file system of its own with little space, which can be filled. Only root can mount it; other accounts need sudo without
 * a password. A limit of the size of files does not replace it: PostgreSQL reports another error.
 */
export class SmallDisk {
  private constructor(readonly path: string) {}

  static async mount(megabytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), 'sigra-disk-'));
    // The server does not run as root and must have access.
    const options = `size=${megabytes}m,mode=1777`;
    try {
      await asRoot('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path);
    } catch (cause) {
      await rm(path, { recursive: true });
      throw new Error('A small disk cannot be mounted: run this as root, or allow sudo without a password', { cause });
    }
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
    await asRoot('umount', this.path);
    await rm(this.path, { recursive: true });
  }

  private get filler(): string {
    return join(this.path, 'filler');
  }
}

function asRoot(...command: readonly string[]): Promise<unknown> {
  const [program = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '--non-interactive', ...command];
  return run(program, args);
}

function isFull(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOSPC') throw error;
  return false;
}
