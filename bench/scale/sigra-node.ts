import { Child } from '../harness/child-process.js';
import type { SigraWorker } from '../workers/sigra-worker.js';

/** The load of all parts of `scale`. */
export const IN_FLIGHT = 64;

/** An application with Sigra in a separate process. */
export function startNode(databaseUrl: string): Promise<Child<SigraWorker>> {
  return Child.start<SigraWorker>(new URL('../workers/sigra-worker.ts', import.meta.url), {
    args: [databaseUrl],
    execArgv: ['--expose-gc'],
  });
}
