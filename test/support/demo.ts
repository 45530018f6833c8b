import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createDatabase } from './database.js';

const MAIN = fileURLToPath(new URL('../../apps/demo/dist/main.js', import.meta.url));

/** Time limit of tests that start a demo, in milliseconds: some start a database server too, on a busy machine. */
export const DEMO_TIMEOUT = 120_000;

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** The built demo in a process group of its own, as a terminal starts it. */
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

  /** The address that the guide prints. */
  get url(): string {
    return /http:\/\/127\.0\.0\.1:\d+/.exec(this.printed)![0];
  }

  /** The raw token that the guide prints. */
  get token(): string {
    return /^\s+(sigra_sk_\w+)$/m.exec(this.printed)![1]!;
  }

  /** The `curl` commands that the guide prints. */
  get commands(): string[] {
    return this.printed.match(/curl .*/g) ?? [];
  }

  /** Waits until the guide is printed. */
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

  /** Interrupts the whole process group, as Ctrl-C at a terminal does. */
  interruptGroup(): Promise<Ended> {
    process.kill(-this.child.pid!, 'SIGINT');
    return this.end();
  }

  /** Sends SIGTERM to the process alone, as a service manager does. */
  terminate(): Promise<Ended> {
    this.child.kill('SIGTERM');
    return this.end();
  }

  /** Waits until the process ends by itself. */
  async end(): Promise<Ended> {
    await this.ended;
    return { code: this.child.exitCode, output: this.printed, errors: this.complained };
  }

  /** Ends the process if it still runs: for the end of a test. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.terminate();
  }
}

export interface Demo {
  readonly process: DemoProcess;
  readonly url: string;
  readonly token: string;
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/** Starts a demo on an empty database of the test server. */
export async function startDemo(environment: Record<string, string> = {}): Promise<Demo> {
  const database = await createDatabase();
  const process = await new DemoProcess({ DATABASE_URL: database.url, ...environment }).ready();
  return {
    process,
    url: process.url,
    token: process.token,
    databaseUrl: database.url,
    stop: async () => {
      await process.stop();
      await database.drop();
    },
  };
}
