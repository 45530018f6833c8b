import { once } from 'node:events';
import type { JwtOptions } from 'nestjs-sigra';
import type { TrustedIssuerOptions } from 'nestjs-sigra/issuers';
import { NodeProcess } from './node-process.js';
import type { Adapter } from './test-app.js';

export interface ServerNodeSetup {
  readonly adapter: Adapter;
  readonly databaseUrl: string;
  /** @default none */
  readonly jwt?: JwtOptions;
  /** Whose credentials it serves. @default the table `users`, with the default type */
  readonly owners?: { readonly table: string; readonly type: string };
  /**
   * Whether a session (`x-session-user`), or a credential of the host (`x-host-user`), has ended when its user is in the table
   * `ended_sessions`. @default sessions never end, and the host has no credentials
   */
  readonly endsSessions?: boolean;
  /** In milliseconds. @default 30,000: a slow machine is not an unreachable database */
  readonly lookupTimeout?: number;
  /** The seconds by which its clock is wrong. @default 0 */
  readonly skew?: number;
  /** Options of `trustIssuers()`; the user of a token is the one in `sub`. @default none */
  readonly issuers?: readonly Omit<TrustedIssuerOptions, 'owner'>[];
  /** Connections to the database. @default 10 */
  readonly poolSize?: number;
  /** @default true */
  readonly preparedStatements?: boolean;
  /** @default none runs */
  readonly cleanup?: { readonly schedule: string; readonly batchSize: number };
  /** Whether a shutdown cuts the connections of clients. @default true: no test waits for them */
  readonly cutsConnections?: boolean;
}

/** What a process holds, for the detection of leaks. */
export interface Holdings {
  /** In bytes, after garbage collection. */
  readonly heap: number;
  readonly timers: number;
  /** Connections, of clients and to the database. */
  readonly sockets: number;
  /**
   * The longest turn of the event loop since the last question, in milliseconds of processor time: a busy machine does not
   * count. The first question begins to measure.
   */
  readonly longestTurn: number;
}

/** An application with an HTTP server in a process of its own. Its program is `server-node-process.ts`. */
export class ServerNode {
  /** Paths of the requests that the application accepted and whose connection closed before the answer was sent. */
  readonly unanswered: string[] = [];

  private constructor(
    readonly url: string,
    private readonly process: NodeProcess,
  ) {
    process.child.on('message', (message: { readonly unanswered?: string }) => {
      if (message.unanswered !== undefined) this.unanswered.push(message.unanswered);
    });
  }

  static async start(setup: ServerNodeSetup): Promise<ServerNode> {
    const { process, message } = await NodeProcess.start('server-node-process.ts', setup, ['--expose-gc']);
    return new ServerNode(String(message), process);
  }

  get pid(): number {
    return this.process.child.pid!;
  }

  /** What the process holds now. */
  async holdings(): Promise<Holdings> {
    const { child } = this.process;
    const answer = once(child, 'message');
    child.send('holdings');
    return (await answer)[0] as Holdings;
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  /** Shuts the application down as a deployment does, with SIGTERM. */
  async terminate(): Promise<void> {
    const { child } = this.process;
    // Its last messages can arrive after it has ended.
    const disconnected = once(child, 'disconnect');
    child.kill('SIGTERM');
    await disconnected;
    await this.process.exited();
  }

  /** Kills the process without a shutdown. */
  kill(): Promise<void> {
    return this.process.kill();
  }
}
