import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** Finds a TCP port on 127.0.0.1 that no process listens on. Another process can still take it before the caller does. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
