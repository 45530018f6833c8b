import type { JwtOptions, TokenPair } from 'nestjs-sigra';
import type { DataSource } from 'typeorm';
import { eventually } from './eventually.js';
import { NodeProcess } from './node-process.js';

/** The result of presenting a refresh token: a pair, or the code of the refusal. */
export type Outcome =
  { readonly pair: TokenPair; readonly refusal?: never } | { readonly pair?: never; readonly refusal: string };

/** The argument of `jwt-node-process.ts`. */
export interface JwtNodeSetup {
  readonly name: string;
  readonly databaseUrl: string;
  readonly jwt: Pick<JwtOptions, 'enabled' | 'issuer' | 'audience' | 'secret'>;
  readonly leeways: readonly number[];
  /** The time of its clock, which stands still, or the seconds by which the clock of the machine is wrong. */
  readonly clock: { readonly time: string } | { readonly skew: number };
}

/** Asks a node to present these tokens, all at once. */
export interface NodeCall {
  readonly call: number;
  readonly leeway: number;
  readonly tokens: readonly string[];
}

export type NodeAnswer = 'ready' | { readonly call: number; readonly index: number; readonly outcome: Outcome };

let nodes = 0;

/** An application with JWTs and without HTTP in a process of its own. Its program is `jwt-node-process.ts`. */
export class JwtNode {
  private calls = 0;

  private constructor(
    private readonly name: string,
    private readonly process: NodeProcess,
  ) {}

  static async start(setup: Omit<JwtNodeSetup, 'name'>): Promise<JwtNode> {
    const name = `jwt-node-${process.pid}-${++nodes}`;
    const started = await NodeProcess.start('jwt-node-process.ts', { ...setup, name });
    started.process.child.setMaxListeners(0);
    return new JwtNode(name, started.process);
  }

  /**
   * Presents refresh tokens, all at once.
   *
   * @param onOutcome called after each outcome, with the number of outcomes so far
   * @returns the outcomes in the order of the tokens; undefined where the node was killed before it answered
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
        this.process.child.off('message', hear).off('exit', end);
        resolve(outcomes);
      };
      const hear = (answer: NodeAnswer) => {
        if (answer === 'ready' || answer.call !== call) return;
        outcomes[answer.index] = answer.outcome;
        count++;
        onOutcome?.(count);
        if (count === tokens.length) end();
      };
      this.process.child.on('message', hear).on('exit', end);
      this.process.child.send({ call, leeway, tokens } satisfies NodeCall);
    });
  }

  /** Ends the process as a crash would. */
  kill(): void {
    void this.process.kill();
  }

  /** Resolves when the process is gone and the database server has closed its connections. */
  async gone(dataSource: DataSource): Promise<void> {
    await this.process.exited();
    await eventually(async () => {
      const rows = await dataSource.query<unknown[]>('SELECT FROM pg_stat_activity WHERE application_name = $1', [
        this.name,
      ]);
      return rows.length === 0;
    });
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
