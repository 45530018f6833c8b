import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Answer } from './answers.js';

/**
 * Sends a request verbatim, because HTTP clients refuse to send some: with a header twice, without headers, with odd spaces.
 *
 * @param head the request line and the headers; `Connection: close` is added
 */
export async function sendRaw(url: string, head: readonly string[], body = ''): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write([...head, 'Connection: close', '', body].join('\r\n'), 'latin1');
  await once(socket, 'close');
  return parse(Buffer.concat(chunks).toString('utf8'));
}

function parse(text: string): Answer {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...headers] = text.slice(0, end).split('\r\n');
  const challenges = headers.filter((line) => /^www-authenticate:/i.test(line));
  const body = text.slice(end + 4);
  return {
    status: Number(statusLine.split(' ')[1]),
    challenge: challenges.length > 0 ? challenges.map((line) => line.slice(line.indexOf(':') + 2)).join('\n') : null,
    body: body === '' ? null : (JSON.parse(body) as unknown),
  };
}

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
 * Sends many requests over a few connections that stay open. It uses sockets, because an HTTP client refuses to send some
 * of the requests and is slower than the server.
 *
 * @param onAnswer called with every answer and its request
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

/** Sends one request over an idle connection. */
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
