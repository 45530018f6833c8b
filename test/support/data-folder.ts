import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startLocalPostgres } from '../../tools/local-postgres/src/local-postgres.js';
import { eventually } from './eventually.js';
import { scratchParent } from './scratch-folder.js';

/** A folder for `DEMO_DATA_DIR`, for demos that start their own PostgreSQL. */
export class DataFolder {
  private constructor(private readonly parent: string) {}

  static async make(): Promise<DataFolder> {
    const parent = await mkdtemp(join(scratchParent(), 'sigra-demo-'));
    // The server does not run as root and must have access.
    await chmod(parent, 0o755);
    return new DataFolder(parent);
  }

  /** A folder with an empty database, to copy: that takes a tenth of the time of creating one. */
  static async withDatabase(): Promise<DataFolder> {
    const folder = await DataFolder.make();
    const server = await startLocalPostgres({ dataDir: folder.path, durable: false });
    await server.stop();
    return folder;
  }

  /** Makes another folder with the same database. No server may run in this one. */
  async copy(): Promise<DataFolder> {
    const folder = await DataFolder.make();
    await this.copyTo(folder.path);
    return folder;
  }

  async copyTo(path: string): Promise<void> {
    await promisify(execFile)('cp', ['-a', this.path, path]);
  }

  get path(): string {
    return join(this.parent, 'data');
  }

  /** The process id of the server that runs in the folder. */
  async postmaster(): Promise<number> {
    const file = await readFile(join(this.path, 'cluster/data/postmaster.pid'), 'utf8');
    return Number(file.split('\n')[0]);
  }

  /** Stops the server while the demo runs. Waits for its pid file to go, because the process stays as a zombie. */
  async stopServer(): Promise<void> {
    process.kill(await this.postmaster(), 'SIGINT');
    await eventually(() =>
      this.postmaster().then(
        () => false,
        () => true,
      ),
    );
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
