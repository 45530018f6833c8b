import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { HostileConnection } from './hostile-connection.js';
import { SeededRandom } from './seeded-random.js';
import { unknownToken } from './unknown-token.js';

/** What a flood sent and got. */
export interface Flooded {
  /** Requests that were answered, or connections that were opened. */
  readonly count: number;
  /** Answers by status; 0 stands for a connection that the server closed without one. */
  readonly statuses: Readonly<Record<string, number>>;
}

/** Begins at once. @returns ends it, when all of its connections are closed */
export type Flood = (url: string) => Promise<() => Promise<Flooded>>;

/** Connections are opened in groups that fit into the queue of the server's socket. */
const GROUP = 250;

/** Sends requests with a credential, without a pause. */
export function presenting(connections: number, credential: (random: SeededRandom) => string): Flood {
  return (url) => {
    const statuses: Record<string, number> = {};
    const state = { goes: true };
    let count = 0;
    const all = Array.from({ length: connections }, async (_, index) => {
      const random = new SeededRandom(index);
      const connection = new HostileConnection(url);
      while (state.goes) {
        const headers = [['authorization', `Bearer ${credential(random)}`]] as const;
        const { status } = await connection.send({ method: 'GET', path: '/me', headers, body: '' });
        statuses[status] = (statuses[status] ?? 0) + 1;
        count++;
      }
      connection.close();
    });
    return Promise.resolve(async () => {
      state.goes = false;
      await Promise.all(all);
      return { count, statuses };
    });
  };
}

/** Sends well-formed tokens that do not exist. */
export const unknownTokens = presenting(32, (random) => unknownToken((bound) => random.below(bound)));

export const malformedTokens = presenting(32, (random) => `sigra_sk_${random.text('abcABC019', 60)}`);

/** Opens connections, and sends each a byte of a header every second: as slowly as servers know it from slowloris. */
export function slowHeaders(connections: number): Flood {
  return async (url) => {
    const sockets = await openAll(url, connections);
    for (const socket of sockets) socket.write('GET /me HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    const timer = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('a');
    }, 1000);
    return async () => {
      clearInterval(timer);
      return closeAll(sockets);
    };
  };
}

/** Opens connections, and sends nothing. */
export function idle(connections: number): Flood {
  return async (url) => {
    const sockets = await openAll(url, connections);
    return () => closeAll(sockets);
  };
}

async function openAll(url: string, count: number): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const group = Array.from({ length: Math.min(GROUP, count - sockets.length) }, () =>
      connect(Number(port), hostname),
    );
    sockets.push(...group);
    await Promise.all(group.map((socket) => once(socket, 'connect')));
  }
  for (const socket of sockets) socket.on('error', () => undefined).resume();
  return sockets;
}

async function closeAll(sockets: readonly Socket[]): Promise<Flooded> {
  const closed = sockets.filter((socket) => socket.readableEnded || socket.destroyed).length;
  await Promise.all(
    sockets.map(async (socket) => {
      if (socket.closed) return;
      const close = once(socket, 'close');
      socket.destroy();
      await close;
    }),
  );
  return { count: sockets.length, statuses: { 0: closed } };
}
