import type { Sample } from './sample.js';
import { median } from './statistics.js';

/** Medians of a contestant over its turns. */
export interface Figures {
  /** Operations per second. */
  readonly rate: number;
  /** CPU of the process under test per operation, in microseconds. */
  readonly cpu: number;
  /** Latency in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** How contestants take turns. */
export interface Rounds {
  readonly rounds: number;
  /** Length of a turn, in seconds. */
  readonly turn: number;
  /** What a contestant runs right before each turn and does not count, in seconds. */
  readonly warmUp: number;
}

/**
 * Lets contestants run in turn, A B C, A B C, so that whatever changes on the machine meanwhile meets all of them. Each
 * warms up before each turn: the system has taken memory away from a process that others have kept waiting.
 */
export async function inTurn<Name extends string>(
  { rounds, turn, warmUp }: Rounds,
  contestants: Readonly<Record<Name, (seconds: number) => Promise<Sample>>>,
): Promise<Record<Name, Figures>> {
  const entries = Object.entries(contestants) as [Name, (seconds: number) => Promise<Sample>][];
  const samples = new Map<Name, Sample[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of entries) {
      await run(warmUp);
      samples.get(name)?.push(await run(turn));
    }
  }
  return Object.fromEntries([...samples].map(([name, turns]) => [name, figuresOf(turns)])) as Record<Name, Figures>;
}

export function figuresOf(samples: readonly Sample[]): Figures {
  return {
    rate: median(samples.map(({ operations, seconds }) => operations / seconds)),
    cpu: median(samples.map(({ operations, cpuMicros }) => cpuMicros / operations)),
    p50: median(samples.map(({ p50 }) => p50)),
    p99: median(samples.map(({ p99 }) => p99)),
  };
}
