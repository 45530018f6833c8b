import { percentile } from './statistics.js';

/** The result of one turn of one contestant. */
export interface Sample {
  readonly operations: number;
  readonly seconds: number;
  /** CPU time of the process under test, user and system, in microseconds. */
  readonly cpuMicros: number;
  /** CPU time of the database server, in microseconds. Missing where it was not measured. */
  readonly databaseMicros?: number;
  /** Latency in milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Space for the latencies of the longest turn. Allocated once, because an allocation would disturb a turn. */
const room = new Float64Array(8_000_000);

/** Latencies of one turn, in milliseconds. Only one instance is in use at a time. */
export class Latencies {
  private readonly values = room;
  private count = 0;

  get length(): number {
    return this.count;
  }

  add(milliseconds: number): void {
    if (this.count < this.values.length) this.values[this.count++] = milliseconds;
  }

  percentiles(): { p50: number; p99: number } {
    const taken = this.values.subarray(0, this.count);
    return { p50: percentile(taken, 0.5), p99: percentile(taken, 0.99) };
  }
}
