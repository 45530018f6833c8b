import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Whether the server's next answer is lost, and the connection with it. */
  losesAnswer?: boolean;
}

/** What happens to the first message that has a text. */
interface Trigger {
  readonly text: string;
  readonly fire: (link: Link, data: Buffer) => void;
  /** Whether it happens to every such message. */
  readonly repeats?: boolean;
}

/** ReadyForQuery, outside of a transaction. */
const READY = Buffer.from('Z\0\0\0\x05I', 'latin1');
/** ErrorResponse of a backend that an administrator terminates. */
const TERMINATED = errorResponse('SFATAL', 'C57P01', 'Mterminating connection due to administrator command');

function errorResponse(...fields: readonly string[]): Buffer {
  const body = Buffer.from(`${fields.join('\0')}\0\0`, 'latin1');
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A TCP proxy to PostgreSQL that can be cut, go silent, or lose its open connections. */
export class DatabaseProxy {
  /** The URL of the same database through the proxy. */
  readonly url: string;
  private readonly links = new Set<Link>();
  private silent = false;
  private trigger: Trigger | undefined;
  private failsNew = false;
  private delay = 0;
  /** Of answers: each one of so many is cut. */
  private cutEvery = 0;
  private answers = 0;

  private constructor(
    private readonly server: Server,
    private readonly port: number,
    private target: URL,
  ) {
    this.url = Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(port) }).href;
    server.on('connection', (client) => this.link(client));
  }

  /** The URL without the proxy. */
  get targetUrl(): string {
    return this.target.href;
  }

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new DatabaseProxy(server, (server.address() as { port: number }).port, new URL(databaseUrl));
  }

  /** Leads new connections to another server. */
  redirect(databaseUrl: string): void {
    this.target = new URL(databaseUrl);
  }

  /** Closes every connection and refuses new ones, like a stopped server. */
  async cut(): Promise<void> {
    this.server.close();
    this.breakLinks();
    await once(this.server, 'close');
  }

  /** Accepts new connections again after `cut`. */
  async mend(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** Keeps all connections open, accepts new ones, and forwards nothing, like a network that loses every packet. */
  silence(): void {
    this.silent = true;
    for (const link of this.links) pause(link);
  }

  /** Forwards everything again, including data sent during the silence. */
  speak(): void {
    this.silent = false;
    this.trigger = undefined;
    this.failsNew = false;
    this.delay = 0;
    this.cutEvery = 0;
    for (const link of this.links) resume(link);
  }

  /** Silences the open connections permanently; new ones work, as after a fail-over. */
  strand(): void {
    for (const link of this.links) pause(link);
  }

  /** Goes silent just before a message with this text reaches the server. */
  silenceAt(text: string): Promise<void> {
    return new Promise((reached) => {
      const fire = (link: Link, data: Buffer) => {
        this.silence();
        link.client.unshift(data);
        reached();
      };
      this.trigger = { text, fire };
    });
  }

  /**
   * Forwards a message with this text, and closes the connection before the answer arrives.
   *
   * @param repeats whether this happens to every such message
   */
  loseAnswerTo(text: string, repeats = false): void {
    const fire = (link: Link, data: Buffer) => {
      link.losesAnswer = true;
      link.server.write(data);
    };
    this.trigger = { text, fire, repeats };
  }

  /** Forwards answers after this time, in milliseconds. */
  delayAnswers(milliseconds: number): void {
    this.delay = milliseconds;
  }

  /** Ends the connection in the middle of one of so many answers. */
  cutAnswers(every: number): void {
    this.cutEvery = every;
  }

  /** Does something just before a message with this text reaches the server. */
  before(text: string, act: () => Promise<void>): void {
    const fire = (link: Link, data: Buffer) => {
      void act().then(() => link.server.write(data));
    };
    this.trigger = { text, fire };
  }

  /** Ends new connections with an error in the same packet that says that they are ready. */
  failNewConnections(): void {
    this.failsNew = true;
  }

  async stop(): Promise<void> {
    this.breakLinks();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private link(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    const link: Link = { client, server };
    this.links.add(link);
    const forget = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', () => undefined).on('close', forget);
    client.on('data', (data) => this.pass(data, link));
    server.on('data', (data) => {
      if (link.losesAnswer) forget();
      else if (this.failsNew && data.includes(READY)) client.end(Buffer.concat([data, TERMINATED]));
      else if (this.cutEvery > 0 && ++this.answers % this.cutEvery === 0) {
        client.end(data.subarray(0, data.length / 2));
      } else if (this.delay > 0) setTimeout(() => client.write(data), this.delay);
      else client.write(data);
    });
    if (this.silent) pause(link);
  }

  private pass(data: Buffer, link: Link): void {
    const { trigger } = this;
    if (trigger && data.includes(trigger.text)) {
      if (!trigger.repeats) this.trigger = undefined;
      trigger.fire(link, data);
      return;
    }
    link.server.write(data);
  }

  private breakLinks(): void {
    for (const { client, server } of this.links) {
      client.destroy();
      server.destroy();
    }
  }
}

function pause(link: Link): void {
  link.client.pause();
  link.server.pause();
}

function resume(link: Link): void {
  link.client.resume();
  link.server.resume();
}
