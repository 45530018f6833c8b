import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The built command line, as `npx sigra` runs it. */
export const BINARY = path('../../libs/sigra/dist/cli/sigra.js');
/** The data-source file of a host, which reads `DATABASE_URL`. */
export const DATA_SOURCE = path('../cli/host/data-source.mjs');

export interface CommandRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line for a database. */
export class CommandLine {
  constructor(
    private readonly databaseUrl: string,
    private readonly env: NodeJS.ProcessEnv = {},
  ) {}

  /** Starts a command, such as `token list --json`. */
  start(args: readonly string[]): ChildProcess & { stdin: object; stdout: object; stderr: object } {
    const env = { ...process.env, NODE_OPTIONS: '', DATABASE_URL: this.databaseUrl, ...this.env };
    return spawn(process.execPath, [BINARY, ...args], { env });
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], input = ''): Promise<CommandRun> {
    const child = this.start(args);
    child.stdin.on('error', () => undefined).end(input);
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { code, stdout, stderr };
  }

  /** Runs a command of the host that succeeds, and parses its JSON. */
  async json<T = Record<string, unknown>>(args: readonly string[], input?: string): Promise<T> {
    const run = await this.run([...args, '-d', DATA_SOURCE, '--json'], input);
    if (run.code !== 0) throw new Error(`sigra ${args.join(' ')}: ${JSON.stringify(run)}`);
    return JSON.parse(run.stdout) as T;
  }
}
