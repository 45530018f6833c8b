import { once } from 'node:events';
import { createServer } from 'node:net';
import { StartError } from './start-error.js';

/**
 * Finds out at once whether a port can be had, before a database is made for nothing.
 *
 * @throws StartError when it cannot
 */
export async function checkPort(port: number, host: string): Promise<void> {
  const probe = createServer().listen(port, host);
  try {
    await once(probe, 'listening');
  } catch (error) {
    throw new StartError(`PORT: ${port} ${reasonOf(error as NodeJS.ErrnoException)} PORT=0 takes a free one.`, {
      cause: error,
    });
  }
  probe.close();
  await once(probe, 'close');
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'is in use. Stop what listens there, or choose another.';
    case 'EACCES':
      return 'is for administrators of this machine only. Choose another.';
    default:
      return `cannot be used: ${message}.`;
  }
}
