import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A request that can be sent as it is, however odd. Texts are bytes in Latin-1. */
export interface OddRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface OddAnswer {
  /** 0 when the connection ended without an answer, -1 when neither came. */
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const PATIENCE_MS = 30_000;
/** After this time, a server that has not answered waits for more bytes. */
const INCOMPLETE_MS = 100;
const QUIET_MS = 10;
const LAST_CHUNK = '0\r\n\r\n';
const NO_ANSWER: OddAnswer = { status: 0, type: '', body: '' };

/** One of several clients of a server. It keeps its connection as long as the server does. */
export class HostileConnection {
  private socket: Socket | undefined;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly port: number;
  private readonly host: string;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.host = hostname;
    this.port = Number(port);
  }

  /** Sends a request verbatim. The server can close a connection that it has used before: then again over a new one. */
  async send(odd: OddRequest): Promise<OddAnswer> {
    const isOld = this.socket?.writable === true;
    const answer = await this.exchange(odd);
    return answer.status === 0 && isOld ? this.exchange(odd) : answer;
  }

  private exchange(odd: OddRequest): Promise<OddAnswer> {
    const socket = this.connected();
    return new Promise((resolve) => {
      let received: Buffer = Buffer.alloc(0);
      const finish = (answer: OddAnswer) => {
        clearTimeout(timer);
        socket.removeAllListeners('data').removeAllListeners('close');
        resolve(answer);
      };
      const timer = setTimeout(() => {
        socket.destroy();
        finish({ ...NO_ANSWER, status: -1 });
      }, PATIENCE_MS);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        const [answer, end] = parse(received, odd.method);
        if (!answer) return;
        if (end < received.length || isLast(received)) socket.destroy();
        finish(answer);
      });
      socket.on('close', () => finish(parse(received, odd.method, true)[0] ?? NO_ANSWER));
      socket.write(serialize(odd), 'latin1');
    });
  }

  /** Sends a request with Node's client. @returns undefined if the client refuses to send it */
  sendWithClient(odd: OddRequest): Promise<OddAnswer | undefined> {
    const { method, path, headers, body } = odd;
    const { agent, host, port } = this;
    return new Promise((resolve) => {
      const all = [...headers, ['host', 'localhost'], ['content-length', String(body.length)]] as const;
      try {
        const sent = request(
          { agent, host, port, method, path, headers: all.flat(), timeout: PATIENCE_MS },
          (response) => {
            const chunks: Buffer[] = [];
            const end = () => {
              const { statusCode: status = 0, headers } = response;
              resolve({ status, type: headers['content-type'] ?? '', body: Buffer.concat(chunks).toString() });
            };
            response
              .on('data', (chunk: Buffer) => chunks.push(chunk))
              .on('end', end)
              .on('error', end);
          },
        );
        sent.on('connect', (_response, socket) => socket.destroy());
        sent.on('timeout', () => {
          sent.destroy();
          resolve({ ...NO_ANSWER, status: -1 });
        });
        sent.on('error', () => resolve(sent.reusedSocket ? this.sendWithClient(odd) : NO_ANSWER));
        sent.end(body, 'latin1');
      } catch {
        resolve(undefined);
      }
    });
  }

  /** Sends bytes over a connection of their own, and ends it when the server waits for more. */
  sendBytes(bytes: Buffer): Promise<readonly OddAnswer[]> {
    const socket = connect({ port: this.port, host: this.host, allowHalfOpen: true });
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let isLate = false;
      const incomplete = setTimeout(() => socket.end(), INCOMPLETE_MS);
      const late = setTimeout(() => {
        isLate = true;
        socket.destroy();
      }, PATIENCE_MS);
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        clearTimeout(incomplete);
        setTimeout(() => socket.end(), QUIET_MS);
      });
      socket.on('end', () => socket.resetAndDestroy());
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearTimeout(incomplete);
        clearTimeout(late);
        resolve(isLate ? [{ ...NO_ANSWER, status: -1 }] : parseAll(Buffer.concat(chunks)));
      });
      socket.write(bytes);
    });
  }

  close(): void {
    this.socket?.destroy();
    this.agent.destroy();
  }

  private connected(): Socket {
    if (this.socket?.writable !== true) {
      this.socket = connect(this.port, this.host).on('error', () => undefined);
    }
    return this.socket;
  }
}

function serialize({ method, path, headers, body }: OddRequest): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`;
}

/** @returns the first final answer, and where it ends; undefined if it is not complete */
function parse(received: Buffer, method = '', hasEnded = false): readonly [OddAnswer | undefined, number] {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return [undefined, 0];
  const head = received.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  if (status < 200) {
    const [answer, end] = parse(received.subarray(start), method, hasEnded);
    return [answer, start + end];
  }
  const type = /^content-type: (.*)$/im.exec(head)?.[1] ?? '';
  const length = bodyLength(head, received.subarray(start), status, method, hasEnded);
  if (length === undefined || start + length > received.length) return [undefined, 0];
  const text = received.toString('utf8', start, start + length);
  // Node's own answers have an empty body in chunks.
  return [{ status, type, body: text === LAST_CHUNK ? '' : text }, start + length];
}

function bodyLength(head: string, rest: Buffer, status: number, method: string, hasEnded: boolean): number | undefined {
  if (method === 'HEAD' || status === 204 || status === 304) return 0;
  const declared = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (declared !== undefined) return Number(declared);
  if (/^transfer-encoding: chunked$/im.test(head)) {
    const end = rest.indexOf(LAST_CHUNK);
    return end < 0 ? undefined : end + 5;
  }
  // RFC 9112 section 6.3: the body ends with the connection.
  return hasEnded ? rest.length : undefined;
}

function parseAll(received: Buffer): OddAnswer[] {
  const [answer, end] = parse(received, '', true);
  return answer ? [answer, ...parseAll(received.subarray(end))] : [];
}

function isLast(received: Buffer): boolean {
  return /^connection: close$/im.test(received.toString('latin1', 0, received.indexOf('\r\n\r\n')));
}
