import type { JwtOptions } from 'nestjs-sigra';
import { NodeProcess } from './node-process.js';
import type { Adapter } from './test-app.js';

export interface ServerNodeSetup {
  readonly adapter: Adapter;
  readonly databaseUrl: string;
  /** @default none */
  readonly jwt?: JwtOptions;
  /** Whose credentials it serves. @default the table `users`, with the default type */
  readonly owners?: { readonly table: string; readonly type: string };
  /** Whether a session has ended when its user is in the table `ended_sessions`. @default sessions never end */
  readonly endsSessions?: boolean;
}

/** An application with an HTTP server in a process of its own. Its program is `server-node-process.ts`. */
export class ServerNode {
  private constructor(
    readonly url: string,
    private readonly process: NodeProcess,
  ) {}

  static async start(setup: ServerNodeSetup): Promise<ServerNode> {
    const { process, message } = await NodeProcess.start('server-node-process.ts', setup);
    return new ServerNode(String(message), process);
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  /** Kills the process without a shutdown. */
  kill(): Promise<void> {
    return this.process.kill();
  }
}
