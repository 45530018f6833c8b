import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Api, Call } from './child-api.js';

const REGISTER = new URL('../../tools/typescript/register.js', import.meta.url).href;

export interface ChildOptions {
  readonly args?: readonly string[];
  /** Options of Node, in addition to those in `BENCH_NODE_OPTIONS`, such as `--cpu-prof`. */
  readonly execArgv?: readonly string[];
}

/** A process under test, or the load generator. It ends together with this process. */
export class Child<Methods extends Api> {
  private readonly waiting = new Map<number, PromiseWithResolvers>();
  private lastId = 0;

  private constructor(
    private readonly process: ChildProcess,
    private readonly name: string,
  ) {
    process.on('message', (answer) => this.settle(answer as Answer));
    process.on('exit', (code) => this.fail(new Error(`${this.name} ended with ${String(code)}`)));
  }

  /** @param file a TypeScript file that calls `serve` with the methods */
  static async start<Methods extends Api>(file: URL, options: ChildOptions = {}): Promise<Child<Methods>> {
    const extra = process.env.BENCH_NODE_OPTIONS?.split(' ').filter(Boolean) ?? [];
    const child = fork(fileURLToPath(file), [...(options.args ?? [])], {
      execArgv: ['--import', REGISTER, ...extra, ...(options.execArgv ?? [])],
      serialization: 'advanced',
      env: { ...process.env, NODE_ENV: 'production' },
    });
    const name = [fileURLToPath(file).split('/').at(-1), ...(options.args ?? []).slice(0, 2)].join(' ');
    const started = new Child<Methods>(child, name);
    await started.send('ready', undefined);
    return started;
  }

  call<Name extends keyof Methods & string>(
    method: Name,
    argument: Parameters<Methods[Name]>[0],
  ): Promise<Awaited<ReturnType<Methods[Name]>>> {
    return this.send(method, argument) as Promise<Awaited<ReturnType<Methods[Name]>>>;
  }

  /** Ends the process and lets it clean up. */
  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, 'exit');
    this.process.disconnect();
    await exit;
  }

  private send(method: string, argument: unknown): Promise<unknown> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.process.send({ id, method, argument } satisfies Call, (error) => {
        if (error) reject(error);
      });
    });
  }

  private settle({ id, result, error }: Answer): void {
    const call = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(`${this.name}: ${error}`));
  }

  private fail(error: Error): void {
    for (const call of this.waiting.values()) call.reject(error);
    this.waiting.clear();
  }
}

interface PromiseWithResolvers {
  resolve(value: unknown): void;
  reject(error: Error): void;
}
