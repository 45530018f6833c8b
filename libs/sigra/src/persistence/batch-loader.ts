import { AsyncResource } from 'node:async_hooks';
import { refuse, SigraError } from '../common/sigra-error.js';

export interface BatchLoaderOptions<Value> {
  /** Reads all of `keys` at once; keys without an entry in the result do not exist. */
  readonly load: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  /** How long a caller waits, in milliseconds. */
  readonly timeout: number;
  /** @default 512 */
  readonly maxBatchSize?: number;
  /** Batches under way at once. @default 2 */
  readonly maxInFlight?: number;
  /** Whether many keys are spread over all free slots, instead of going together. @default false */
  readonly spread?: boolean;
  /** Callers that may wait for a batch before further ones are turned away. @default 20_000 */
  readonly maxQueued?: number;
}

interface Waiting<Value> {
  readonly key: string;
  readonly promise: Promise<Value | undefined>;
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (error: SigraError) => void;
  readonly deadline: number;
  /** Who asked for the key, and shares its answer. */
  callers: number;
}

interface Batch<Value> {
  readonly entries: readonly Waiting<Value>[];
  abandoned: boolean;
}

/** Fewer keys than this are not worth a query of their own, beside what a query costs anyway. */
const MIN_SHARE = 16;

/**
 * Turns the single-key reads of one event-loop turn into one query, or few.
 *
 * A key is always read by a query that starts after `load` was called for it, and nothing is kept once the answer is
 * there: what was committed before the call is seen by the call. A failed batch rejects its own callers and no others. A
 * caller that waits for longer than the timeout, or finds the queue full, is rejected with `unavailable`; whoever asks for a
 * key that waits already shares its time, too.
 */
export class BatchLoader<Value> {
  private queue = new Map<string, Waiting<Value>>();
  private waiting = 0;
  private inFlight: readonly Batch<Value>[] = [];
  private readonly maxBatchSize: number;
  private readonly maxInFlight: number;
  private readonly maxQueued: number;
  /** Batches belong to no request: they run in the context in which the application was made. */
  private readonly context = new AsyncResource('SigraBatchLoader');
  private dispatchScheduled = false;
  private sweepTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: BatchLoaderOptions<Value>) {
    this.maxBatchSize = options.maxBatchSize ?? 512;
    this.maxInFlight = options.maxInFlight ?? 2;
    this.maxQueued = options.maxQueued ?? 20_000;
  }

  /**
   * @returns the value, or undefined when there is none
   * @throws SigraError `unavailable`
   */
  load(key: string): Promise<Value | undefined> {
    // Only a read that has not started yet can be shared: a running one may have looked before the caller came.
    const queued = this.queue.get(key);
    if (this.waiting >= this.maxQueued) {
      return Promise.reject(refuse('unavailable', 'Too many requests are waiting for the database.'));
    }
    this.waiting++;
    if (queued) {
      queued.callers++;
      return queued.promise;
    }
    const entry = this.enqueue(key);
    this.scheduleDispatch();
    return entry.promise;
  }

  private enqueue(key: string): Waiting<Value> {
    let resolve!: Waiting<Value>['resolve'];
    let reject!: Waiting<Value>['reject'];
    const promise = new Promise<Value | undefined>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    const entry = { key, promise, resolve, reject, deadline: performance.now() + this.options.timeout, callers: 1 };
    this.queue.set(key, entry);
    this.sweepTimer ??= setTimeout(() => this.sweep(), this.options.timeout).unref();
    return entry;
  }

  private scheduleDispatch(): void {
    if (this.dispatchScheduled || this.queue.size === 0 || !this.hasFreeSlot()) return;
    this.dispatchScheduled = true;
    setImmediate(() => {
      this.dispatchScheduled = false;
      this.context.runInAsyncScope(() => {
        while (this.queue.size > 0 && this.hasFreeSlot()) void this.run(this.takeBatch());
      });
    });
  }

  /** Batches whose callers have all given up free their slot, but only so many: each may still hold a connection. */
  private hasFreeSlot(): boolean {
    if (this.inFlight.length < this.maxInFlight) return true;
    if (this.inFlight.length >= 2 * this.maxInFlight) return false;
    let live = 0;
    for (const batch of this.inFlight) if (!batch.abandoned) live++;
    return live < this.maxInFlight;
  }

  private takeBatch(): Batch<Value> {
    const size = this.batchSize();
    const entries = [...this.queue.values()];
    // A new map each time: a map that keys are deleted from leads the garbage collector from what it held to what it
    // holds, until everything that ever waited is taken for alive.
    this.queue = new Map();
    for (const entry of entries.splice(size)) this.queue.set(entry.key, entry);
    for (const { callers } of entries) this.waiting -= callers;
    return { entries, abandoned: false };
  }

  /**
   * Spread over all free slots, some keys are looked for by the database while this process still has its hands full with
   * the answer for others.
   */
  private batchSize(): number {
    const { size } = this.queue;
    const share = Math.ceil(size / Math.max(this.maxInFlight - this.inFlight.length, 1));
    return Math.min(this.options.spread && share >= MIN_SHARE ? share : size, this.maxBatchSize);
  }

  private async run(batch: Batch<Value>): Promise<void> {
    this.inFlight = [...this.inFlight, batch];
    try {
      const found = await this.options.load(batch.entries.map((entry) => entry.key));
      for (const entry of batch.entries) entry.resolve(found.get(entry.key));
    } catch (cause) {
      const error = new SigraError('unavailable', 'The database did not answer.', { cause });
      for (const entry of batch.entries) entry.reject(error);
    } finally {
      this.inFlight = this.inFlight.filter((other) => other !== batch);
      this.scheduleDispatch();
    }
  }

  /** Rejects whoever has waited for too long. One timer for all: a promise that is settled already ignores it. */
  private sweep(): void {
    this.sweepTimer = undefined;
    const now = performance.now();
    const late = refuse('unavailable', 'The database did not answer in time.');
    let next = Infinity;
    for (const batch of this.inFlight) {
      for (const entry of batch.entries) if (entry.deadline <= now) entry.reject(late);
      const patient = batch.entries.find((entry) => entry.deadline > now);
      if (patient) next = Math.min(next, patient.deadline);
      else batch.abandoned = true;
    }
    for (const entry of this.queue.values()) {
      if (entry.deadline > now) {
        next = Math.min(next, entry.deadline);
        break;
      }
      this.queue.delete(entry.key);
      this.waiting -= entry.callers;
      entry.reject(late);
    }
    if (next < Infinity) this.sweepTimer = setTimeout(() => this.sweep(), Math.max(next - now, 1)).unref();
    this.scheduleDispatch();
  }
}
