import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for `DEMO_DATA_DIR`, for tests of a demo that brings its own PostgreSQL. */
export class DataFolder {
  private constructor(private readonly parent: string) {}

  static async make(): Promise<DataFolder> {
    const parent = await mkdtemp(join(tmpdir(), 'sigra-demo-'));
    // The server does not run as root, and has to get there.
    await chmod(parent, 0o755);
    return new DataFolder(parent);
  }

  get path(): string {
    return join(this.parent, 'data');
  }

  /** The process of the server that runs in it. */
  async postmaster(): Promise<number> {
    const file = await readFile(join(this.path, 'cluster/data/postmaster.pid'), 'utf8');
    return Number(file.split('\n')[0]);
  }

  remove(): Promise<void> {
    return rm(this.parent, { recursive: true, force: true });
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
