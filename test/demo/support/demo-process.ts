import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';

const MAIN = fileURLToPath(new URL('../../../apps/demo/dist/main.js', import.meta.url));

// A process, and perhaps a database, is made for most of these tests, which takes its time on a busy machine.
jest.setTimeout(120_000);

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** The built demo as a process of its own, in a process group of its own, like one at a terminal. */
export class DemoProcess {
  readonly child: ChildProcess;
  private printed = '';
  private complained = '';
  private readonly ended: Promise<unknown>;

  constructor(environment: Record<string, string>) {
    this.child = spawn(process.execPath, ['--enable-source-maps', MAIN], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', ...environment },
    });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.printed += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.complained += text));
    this.ended = once(this.child, 'close');
  }

  get output(): string {
    return this.printed;
  }

  get errors(): string {
    return this.complained;
  }

  /** The address that the guide names. */
  get url(): string {
    return /http:\/\/127\.0\.0\.1:\d+/.exec(this.printed)![0];
  }

  /** The raw token that the guide names. */
  get token(): string {
    return /^\s+(sigra_sk_\w+)$/m.exec(this.printed)![1]!;
  }

  /** The commands that the guide offers. */
  get commands(): string[] {
    return this.printed.match(/curl .*/g) ?? [];
  }

  /** Until the guide has been printed. */
  async ready(): Promise<this> {
    const ended = this.ended.then(() => {
      const { exitCode, signalCode } = this.child;
      const said = this.complained + this.printed;
      throw new Error(`The demo ended (${exitCode ?? signalCode}) before it had started. Was it built? ${said}`);
    });
    while (!this.printed.includes('Ctrl-C stops everything')) {
      await Promise.race([once(this.child.stdout!, 'data'), ended]);
    }
    ended.catch(() => undefined);
    return this;
  }

  /** As a terminal does on Ctrl-C: to everybody in the group. */
  interruptGroup(): Promise<Ended> {
    process.kill(-this.child.pid!, 'SIGINT');
    return this.end();
  }

  /** As a service manager does. */
  terminate(): Promise<Ended> {
    this.child.kill('SIGTERM');
    return this.end();
  }

  /** Until it has ended by itself. */
  async end(): Promise<Ended> {
    await this.ended;
    return { code: this.child.exitCode, output: this.printed, errors: this.complained };
  }

  /** For the end of a test, whatever has become of it. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.terminate();
  }
}
