import { Child } from './child-process.js';
import type { HttpLoad, LoadRequest, LoadResult, LoadWorker } from './load.js';

/** HTTP load from autocannon, in a process of its own. */
export class Autocannon implements HttpLoad {
  readonly name = 'autocannon';

  private constructor(private readonly child: Child<LoadWorker>) {}

  static async start(): Promise<Autocannon> {
    return new Autocannon(await Child.start(new URL('../workers/load-worker.ts', import.meta.url)));
  }

  run(request: LoadRequest): Promise<LoadResult> {
    return this.child.call('run', request);
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}
