import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { JwtOptions, TokenPair } from 'nestjs-sigra';
import type { DataSource } from 'typeorm';

/** What presenting a token came to: a pair, or the code of the refusal. */
export type Outcome =
  { readonly pair: TokenPair; readonly refusal?: never } | { readonly pair?: never; readonly refusal: string };

/** What a node is told when it starts. */
export interface NodeSetup {
  readonly name: string;
  readonly databaseUrl: string;
  readonly jwt: Pick<JwtOptions, 'enabled' | 'issuer' | 'audience' | 'secret'>;
  readonly leeways: readonly number[];
  /** Where its clock stands still. */
  readonly time: string;
}

/** Present these tokens, all at once. */
export interface NodeCall {
  readonly call: number;
  readonly leeway: number;
  readonly tokens: readonly string[];
}

export type NodeAnswer = 'ready' | { readonly call: number; readonly index: number; readonly outcome: Outcome };

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
let nodes = 0;

/** An application with JWTs in a process of its own. */
export class JwtNode {
  private calls = 0;

  private constructor(
    private readonly name: string,
    private readonly child: ChildProcess,
  ) {}

  static async start(setup: Omit<NodeSetup, 'name'>): Promise<JwtNode> {
    const name = `jwt-node-${process.pid}-${++nodes}`;
    const child = fork(path('./jwt-node.ts'), [JSON.stringify({ ...setup, name })], {
      execArgv: ['--import', path('./register-typescript.js')],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const started = await Promise.race([once(child, 'message'), once(child, 'exit')]);
    if (started[0] !== 'ready') throw new Error(`The node did not start: ${String(started)}`);
    child.setMaxListeners(0);
    return new JwtNode(name, child);
  }

  /**
   * Presents refresh tokens, all at once.
   *
   * @param onOutcome hears of every outcome as it comes
   * @returns the outcomes in the order of the tokens; those that the node did not live to tell are undefined
   */
  refresh(
    leeway: number,
    tokens: readonly string[],
    onOutcome?: (count: number) => void,
  ): Promise<(Outcome | undefined)[]> {
    const call = ++this.calls;
    const outcomes: (Outcome | undefined)[] = tokens.map(() => undefined);
    let count = 0;
    return new Promise((resolve) => {
      const end = () => {
        this.child.off('message', hear).off('exit', end);
        resolve(outcomes);
      };
      const hear = (answer: NodeAnswer) => {
        if (answer === 'ready' || answer.call !== call) return;
        outcomes[answer.index] = answer.outcome;
        count++;
        onOutcome?.(count);
        if (count === tokens.length) end();
      };
      this.child.on('message', hear).on('exit', end);
      this.child.send({ call, leeway, tokens } satisfies NodeCall);
    });
  }

  /** Ends the process as a crash would, at once. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Resolves when the process is gone, and the server has noticed. */
  async gone(dataSource: DataSource): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    await until(async () => {
      const rows = await dataSource.query<unknown[]>('SELECT FROM pg_stat_activity WHERE application_name = $1', [
        this.name,
      ]);
      return rows.length === 0;
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.disconnect();
    await once(this.child, 'exit');
  }
}

/** Waits for a condition of the database, which is all that it asks for. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('It did not come true within a minute');
  }
}

/** Waits until so many statements wait for a lock in the database of a DataSource. */
export function untilWaiting(dataSource: DataSource, count: number): Promise<void> {
  return until(async () => {
    const rows = await dataSource.query<unknown[]>(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length >= count;
  });
}

/** Holds families for as long as `act` takes, so that whoever wants them meets at the same door. */
export async function holdingFamilies(
  dataSource: DataSource,
  ids: readonly string[],
  act: () => Promise<void>,
): Promise<void> {
  await dataSource.transaction(async (manager) => {
    await manager.query('SELECT FROM sigra_refresh_families WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE', [ids]);
    await act();
  });
}
