import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Lets one live process at a time use a folder. The lock is a listening socket and not a file with a process id,
 * because the kernel closes it when its holder dies for any reason, and process ids are reused.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const name = `sigra-${createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 32)}`;
  // Linux has socket names without a file, so none is left behind. Elsewhere a stale socket file refuses connections.
  const address = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.sock`);

  // A holder that is shutting down, as during a restart, gets two seconds.
  for (const deadline = Date.now() + 2000; ;) {
    const server = createServer((socket) => socket.destroy());
    server.listen(address);
    try {
      await once(server, 'listening');
      server.unref();
      return {
        release: async () => {
          server.close();
          await once(server, 'close');
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
        throw error;
      }
    }
    if (await isStale(address)) {
      await rm(address, { force: true });
    } else if (Date.now() > deadline) {
      throw new Error(
        `Another running demo uses ${directory}. Stop it, or give this one its own folder: ` +
          'DEMO_DATA_DIR=.data-2 npm start',
      );
    } else {
      await sleep(100);
    }
  }
}

async function isStale(address: string): Promise<boolean> {
  if (address.startsWith('\0')) {
    return false;
  }
  const socket = connect(address);
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
