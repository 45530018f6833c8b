import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Shot {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Hit {
  readonly status: number;
  readonly body: string;
}

const CONNECTIONS = 16;

/**
 * Sends many requests over a few connections that stay open, and tells of every answer. On bare sockets: an HTTP client
 * would refuse to send some of it, and take longer than the server.
 */
export async function flood<S extends Shot>(
  url: string,
  shots: readonly S[],
  onAnswer: (hit: Hit, shot: S) => void,
): Promise<void> {
  const { hostname, port } = new URL(url);
  const queue = shots[Symbol.iterator]();
  const worker = async () => {
    let socket = connect(Number(port), hostname);
    for (const shot of queue) {
      if (!socket.writable) socket = connect(Number(port), hostname);
      onAnswer(await fire(socket, shot), shot);
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}

/** Sends one request over a connection that is free, and waits for the answer. */
export async function fire(socket: Socket, shot: Shot): Promise<Hit> {
  socket.write(serialize(shot), 'latin1');
  let received = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) continue;
    const head = received.toString('latin1', 0, end);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    if (received.length < end + 4 + length) continue;
    if (/^connection: close$/im.test(head)) socket.destroy();
    return { status: Number(head.slice(9, 12)), body: received.toString('utf8', end + 4, end + 4 + length) };
  }
}

function serialize({ method = 'GET', path, headers = {}, body = '' }: Shot): string {
  const payload = Buffer.from(body).toString('latin1');
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}content-length: ${payload.length}\r\n\r\n${payload}`;
}
