import { once } from 'node:events';
import { createServer } from 'node:net';
import { StartError } from './start-error.js';

/**
 * Checks that a port is free, before a database is created for nothing.
 *
 * @throws StartError if the port cannot be used
 */
export async function checkPort(port: number, host: string): Promise<void> {
  const probe = createServer().listen(port, host);
  try {
    await once(probe, 'listening');
  } catch (error) {
    throw new StartError(`PORT: ${port} ${reasonOf(error as NodeJS.ErrnoException)} PORT=0 chooses a free port.`, {
      cause: error,
    });
  }
  probe.close();
  await once(probe, 'close');
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'is in use. Stop the program that listens on it, or choose another port.';
    case 'EACCES':
      return 'needs administrator rights. Choose another port.';
    default:
      return `cannot be used: ${message}.`;
  }
}
