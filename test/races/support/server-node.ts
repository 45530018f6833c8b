import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { JwtOptions } from 'nestjs-sigra';
import type { Adapter } from '../../support/test-app.js';

export interface NodeSetup {
  readonly adapter: Adapter;
  readonly databaseUrl: string;
  /** @default none */
  readonly jwt?: JwtOptions;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** An application in a process of its own, as one of several behind a load balancer. */
export class ServerNode {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(setup: NodeSetup): Promise<ServerNode> {
    const child = fork(path('./node.ts'), [JSON.stringify(setup)], {
      execArgv: ['--import', path('../../support/register-typescript.js')],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const [started] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown];
    if (typeof started !== 'string') throw new Error(`The node did not start: ${String(started)}`);
    return new ServerNode(started, child);
  }

  stop(): Promise<void> {
    return this.end(() => {
      this.child.disconnect();
    });
  }

  /** Ends the process in the middle of whatever it does. */
  kill(): Promise<void> {
    return this.end(() => this.child.kill('SIGKILL'));
  }

  private async end(how: () => void): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    how();
    await exited;
  }
}
