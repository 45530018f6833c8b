import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { compiledProgram } from './compiled-program.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** A TypeScript program of this folder in a process of its own, as one of several nodes behind a load balancer. */
export class NodeProcess {
  private constructor(readonly child: ChildProcess) {}

  /**
   * @param setup passed to the program as JSON in its only argument
   * @returns the process and its first message, which means that it is ready
   */
  static async start(
    program: string,
    setup: object,
    flags: readonly string[] = [],
  ): Promise<{ process: NodeProcess; message: unknown }> {
    const child = fork(await compiledProgram(path(`./${program}`)), [JSON.stringify(setup)], {
      execArgv: [...flags],
      stdio: ['inherit', 'inherit', 'pipe', 'ipc'],
    });
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const exited = once(child, 'close').then(([code]) => {
      throw new Error(`${program} ended (${String(code)}) before it was ready: ${errors}`);
    });
    const [message] = (await Promise.race([once(child, 'message'), exited])) as unknown[];
    exited.catch(() => undefined);
    child.stderr?.removeAllListeners('data').pipe(process.stderr);
    return { process: new NodeProcess(child), message };
  }

  /** Lets the program end by itself: it exits when its parent disconnects. */
  async stop(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    await this.exited();
  }

  /** Kills the process with SIGKILL. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited();
  }

  async exited(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }
}
