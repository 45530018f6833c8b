import { once } from 'node:events';
import { connect } from 'node:net';
import type { Answer } from './answers.js';

/**
 * Sends a request as it is written, for what no HTTP client would send: a header twice, none at all, odd spaces.
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
