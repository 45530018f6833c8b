import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { prepareDatabase } from '../../apps/demo/src/database/prepare-database.js';
import { DEMO_PASSWORD } from '../../apps/demo/src/database/seed.js';
import { readEnvironment } from '../../apps/demo/src/environment.js';
import { startDemo as startSources } from '../../apps/demo/src/start-demo.js';
import { hashPassword } from '../../apps/demo/src/users/password.js';
import { createDatabase, onDatabase, type TestDatabase } from './database.js';
import { DatabaseTemplate } from './database-template.js';

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
    this.child = spawn(process.execPath, [MAIN], {
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
    return urlIn(this.printed);
  }

  /** The raw token that the guide prints. */
  get token(): string {
    return tokenIn(this.printed);
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

function urlIn(guide: string): string {
  return /http:\/\/127\.0\.0\.1:\d+/.exec(guide)![0];
}

function tokenIn(guide: string): string {
  return /^\s+(sigra_sk_\w+)$/m.exec(guide)![1]!;
}

const prepared = new DatabaseTemplate('prepared_for_demo', async () => {
  const database = await createDatabase();
  await prepareDatabase(database.url);
  const hash = await hashPassword(DEMO_PASSWORD, 1);
  await onDatabase(database.url, (client) => client.query('UPDATE demo_users SET password_hash = $1', [hash]));
  return database;
});

/** Makes a database like that of a demo, in which the users' passwords take little time to verify. */
export function createDemoDatabase(): Promise<TestDatabase> {
  return prepared.copy();
}

export interface Demo {
  readonly url: string;
  readonly token: string;
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/**
 * Starts a demo from its sources in this process, which takes a fraction of the time of a process of its own.
 *
 * @param environment the variables of the demo
 */
export async function startDemo(environment: Record<string, string> = {}): Promise<Demo> {
  const database = await createDemoDatabase();
  const steps: (() => Promise<void>)[] = [];
  const variables = { PORT: '0', DATABASE_URL: database.url, ...environment };
  const guide = await startSources(readEnvironment(variables), { add: (step) => steps.push(step) });
  return {
    url: urlIn(guide),
    token: tokenIn(guide),
    databaseUrl: database.url,
    stop: async () => {
      for (const step of steps.reverse()) await step();
      await database.drop();
    },
  };
}

/** Starts a demo in a process of its own, on an empty database of the test server. */
export async function startDemoProcess(
  environment: Record<string, string> = {},
): Promise<Demo & { readonly process: DemoProcess }> {
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
