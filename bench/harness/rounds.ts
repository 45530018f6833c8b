import type { Sample } from './sample.js';
import { type CpuTimes, usedBetween } from './server-cpu.js';
import { median } from './statistics.js';

/** What a turn of a contestant shows. */
export interface Figure {
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

/** Medians of a contestant over its turns. */
export interface Figures extends Figure {
  readonly turns: readonly Figure[];
}

/** How contestants take turns. */
export interface Rounds {
  readonly rounds: number;
  /** Length of a turn, in seconds. */
  readonly turn: number;
  /** Length of the warm-up right before each turn, which does not count, in seconds. */
  readonly warmUp: number;
  /** The server of all contestants. */
  readonly server: MeasuredServer;
}

/** A database server whose CPU is measured. */
export interface MeasuredServer {
  cpu(): Promise<CpuTimes>;
}

/**
 * Runs contestants in turns, A B C, C B A, so that changes on the machine affect all of them. Each contestant warms up before
 * each turn, because the system takes memory away from waiting processes.
 */
export async function inTurn<Name extends string>(
  { rounds, turn, warmUp, server }: Rounds,
  contestants: Readonly<Record<Name, (seconds: number) => Promise<Sample>>>,
): Promise<Record<Name, Figures>> {
  const entries = Object.entries(contestants) as [Name, (seconds: number) => Promise<Sample>][];
  const samples = new Map<Name, Sample[]>(entries.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of round % 2 === 0 ? entries : entries.toReversed()) {
      await run(warmUp);
      samples.get(name)?.push(await withDatabaseCpu(server, () => run(turn)));
    }
  }
  return Object.fromEntries([...samples].map(([name, turns]) => [name, figuresOf(turns)])) as Record<Name, Figures>;
}

/** Adds the CPU that a server uses while a sample is taken. */
export async function withDatabaseCpu<T extends Sample>(server: MeasuredServer, run: () => Promise<T>): Promise<T> {
  const before = await server.cpu();
  const sample = await run();
  return { ...sample, databaseMicros: usedBetween(before, await server.cpu()) };
}

export function figuresOf(samples: readonly Sample[]): Figures {
  return mediansOf(samples.map(figureOf));
}

/**
 * Repeats a series, so that the contestants have new processes each time.
 *
 * @returns the figures over the turns of all of them
 */
export async function repeated<Name extends string>(
  times: number,
  series: () => Promise<Record<Name, Figures>>,
): Promise<Record<Name, Figures>> {
  const all: Record<Name, Figures>[] = [];
  while (all.length < times) all.push(await series());
  const names = Object.keys(all[0] ?? {}) as Name[];
  return Object.fromEntries(
    names.map((name) => [name, mediansOf(all.flatMap((figures) => figures[name].turns))]),
  ) as Record<Name, Figures>;
}

function mediansOf(turns: readonly Figure[]): Figures {
  const medianOf = (value: (turn: Figure) => number) => median(turns.map(value));
  const isMeasured = turns.every(({ databaseCpu }) => databaseCpu !== undefined);
  return {
    rate: medianOf(({ rate }) => rate),
    cpu: medianOf(({ cpu }) => cpu),
    databaseCpu: isMeasured ? medianOf(({ databaseCpu = NaN }) => databaseCpu) : undefined,
    p50: medianOf(({ p50 }) => p50),
    p99: medianOf(({ p99 }) => p99),
    turns,
  };
}

function figureOf({ operations, seconds, cpuMicros, databaseMicros, p50, p99 }: Sample): Figure {
  return {
    rate: operations / seconds,
    cpu: cpuMicros / operations,
    databaseCpu: databaseMicros === undefined ? undefined : databaseMicros / operations,
    p50,
    p99,
  };
}

/**
 * Compares contestants in each round, and takes the median. The speed of a virtual machine changes from one minute to the next,
 * so a ratio of medians can compare a slow minute of one contestant with a fast one of another.
 */
export function byRound<Name extends string>(
  figures: Readonly<Record<Name, Figures>>,
  compare: (round: Readonly<Record<Name, Figure>>) => number,
): number {
  const entries = Object.entries(figures) as [Name, Figures][];
  const rounds = Math.min(...entries.map(([, { turns }]) => turns.length));
  return median(
    Array.from({ length: rounds }, (_, round) =>
      compare(Object.fromEntries(entries.map(([name, { turns }]) => [name, turns[round]])) as Record<Name, Figure>),
    ),
  );
}

/** CPU of the process under test and of the database server together, per operation, in microseconds. */
export function totalCpu({ cpu, databaseCpu }: Figure): number {
  return cpu + (databaseCpu ?? NaN);
}
