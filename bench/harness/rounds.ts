import type { Sample } from './sample.js';
import { type CpuTimes, usedBetween } from './server-cpu.js';
import { median } from './statistics.js';

/** Medians of a contestant over its turns. */
export interface Figures {
  /** Operations per second. */
  readonly rate: number;
  /** CPU of the process under test per operation, in microseconds. */
  readonly cpu: number;
  /** CPU of the database server per operation, in microseconds; undefined if it was not measured. */
  readonly databaseCpu: number | undefined;
  /** Latency in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** How contestants take turns. */
export interface Rounds {
  readonly rounds: number;
  /** Length of a turn, in seconds. */
  readonly turn: number;
  /** Length of the warm-up right before each turn, which does not count, in seconds. */
  readonly warmUp: number;
  /** The server of all contestants. */
  readonly server: { cpu(): Promise<CpuTimes> };
}

/**
 * Runs contestants in turns, A B C, A B C, so that changes on the machine affect all of them. Each contestant warms up before
 * each turn, because the system takes memory away from waiting processes.
 */
export async function inTurn<Name extends string>(
  { rounds, turn, warmUp, server }: Rounds,
  contestants: Readonly<Record<Name, (seconds: number) => Promise<Sample>>>,
): Promise<Record<Name, Figures>> {
  const entries = Object.entries(contestants) as [Name, (seconds: number) => Promise<Sample>][];
  const samples = new Map<Name, Sample[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of entries) {
      await run(warmUp);
      const before = await server.cpu();
      const sample = await run(turn);
      samples.get(name)?.push({ ...sample, databaseMicros: usedBetween(before, await server.cpu()) });
    }
  }
  return Object.fromEntries([...samples].map(([name, turns]) => [name, figuresOf(turns)])) as Record<Name, Figures>;
}

export function figuresOf(samples: readonly Sample[]): Figures {
  const ofDatabase = samples.flatMap(({ operations, databaseMicros }) =>
    databaseMicros === undefined ? [] : [databaseMicros / operations],
  );
  return {
    rate: median(samples.map(({ operations, seconds }) => operations / seconds)),
    cpu: median(samples.map(({ operations, cpuMicros }) => cpuMicros / operations)),
    databaseCpu: ofDatabase.length === samples.length ? median(ofDatabase) : undefined,
    p50: median(samples.map(({ p50 }) => p50)),
    p99: median(samples.map(({ p99 }) => p99)),
  };
}

/** CPU of the process under test and of the database server together, per operation, in microseconds. */
export function totalCpu({ cpu, databaseCpu }: Figures): number {
  return cpu + (databaseCpu ?? NaN);
}
