import { AsyncResource } from 'node:async_hooks';
import { late } from '../common/deadline.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import type { LookupName } from '../telemetry/channels.js';
import { LookupSignals } from '../telemetry/lookup.signals.js';

/** The options of a `BatchLoader`. */
export interface BatchLoaderOptions<Value> {
  /** What is looked up, for the diagnostics channels `sigra:lookup:*`. */
  readonly name: LookupName;
  /** Reads all `keys` in one query. Keys without an entry in the result do not exist. */
  readonly load: (keys: readonly string[]) => Promise<ReadonlyMap<string, Value>>;
  /** How long a caller waits, in milliseconds. */
  readonly timeout: number;
  /** The most keys per query. @default 512 */
  readonly maxBatchSize?: number;
  /** The most queries that run at once. @default 2 */
  readonly maxInFlight?: number;
  /** Whether many keys are divided among all free slots instead of sent in one query. @default false */
  readonly spread?: boolean;
  /** The most callers that wait for a query; further ones are rejected. @default 20_000 */
  readonly maxQueued?: number;
}

interface Waiting<Value> {
  readonly key: string;
  readonly promise: Promise<Value | undefined>;
  readonly resolve: (value: Value | undefined) => void;
  readonly reject: (error: SigraError) => void;
  readonly deadline: number;
  /** The number of callers that share the answer. */
  callers: number;
}

interface Batch<Value> {
  readonly entries: readonly Waiting<Value>[];
  abandoned: boolean;
}

/** So many queries in a row with one key show that requests come one at a time. */
const LONE_QUERIES = 8;
/** The fewest keys that justify the fixed cost of another query. */
const MIN_SHARE = 16;

/**
 * Combines the single-key reads of one event-loop turn into one query, or a few. While requests come
 * one at a time, each read goes out at once, because waiting for company costs a lone caller a fifth of its time.
 *
 * The query for a key always starts after the call of `load`, and no answer is kept, so a call sees everything that was
 * committed before it. A failed query rejects only its own callers. A caller that waits longer than the timeout, or
 * finds the queue full, is rejected with `unavailable`. Callers that request a waiting key share its deadline.
 */
export class BatchLoader<Value> {
  private queue = new Map<string, Waiting<Value>>();
  private waiting = 0;
  private inFlight: readonly Batch<Value>[] = [];
  private readonly maxBatchSize: number;
  private readonly maxInFlight: number;
  private readonly maxQueued: number;
  private readonly signals: LookupSignals;
  /** Queries run in the async context of the application, because they serve many requests. */
  private readonly context = new AsyncResource('SigraBatchLoader');
  private dispatchScheduled = false;
  /** How many queries in a row had one key. */
  private lone = 0;
  private sweepTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: BatchLoaderOptions<Value>) {
    this.maxBatchSize = options.maxBatchSize ?? 512;
    this.maxInFlight = options.maxInFlight ?? 2;
    this.maxQueued = options.maxQueued ?? 20_000;
    this.signals = new LookupSignals(options.name);
  }

  /**
   * Reads the value of a key.
   *
   * @returns undefined when there is no value
   * @throws SigraError `unavailable`
   */
  load(key: string): Promise<Value | undefined> {
    // Only a waiting read can be shared: a running query can have missed a commit that precedes this call.
    const queued = this.queue.get(key);
    if (this.waiting >= this.maxQueued) {
      this.signals.shed('queue_full', 1);
      return Promise.reject(refuse('unavailable', 'Too many requests are waiting for the database.'));
    }
    this.setWaiting(this.waiting + 1);
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
    if (this.isQuiet()) {
      this.dispatch();
      return;
    }
    this.dispatchScheduled = true;
    setImmediate(() => {
      this.dispatchScheduled = false;
      this.dispatch();
    });
  }

  /** Whether the latest callers were alone, so that the next one probably waits for others in vain. */
  private isQuiet(): boolean {
    return this.inFlight.length === 0 && this.lone >= LONE_QUERIES;
  }

  private dispatch(): void {
    this.context.runInAsyncScope(() => {
      while (this.queue.size > 0 && this.hasFreeSlot()) void this.run(this.takeBatch());
    });
  }

  /**
   * Whether another query can start. A query whose callers have all timed out frees its slot, but the total is limited,
   * because each can still hold a connection.
   */
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
    // A new map each time: in the old generation, a map links its deleted entries to later ones, which the garbage
    // collector then keeps alive.
    this.queue = new Map();
    for (const entry of entries.splice(size)) this.queue.set(entry.key, entry);
    this.setWaiting(this.waiting - callersOf(entries));
    this.lone = entries.length === 1 ? this.lone + 1 : 0;
    return { entries, abandoned: false };
  }

  /** With `spread`, the database reads some keys while this process still decodes the answer for others. */
  private batchSize(): number {
    const { size } = this.queue;
    const share = Math.ceil(size / Math.max(this.maxInFlight - this.inFlight.length, 1));
    return Math.min(this.options.spread && share >= MIN_SHARE ? share : size, this.maxBatchSize);
  }

  private async run(batch: Batch<Value>): Promise<void> {
    this.inFlight = [...this.inFlight, batch];
    const start = performance.now();
    let failure: unknown;
    try {
      const found = await this.options.load(batch.entries.map((entry) => entry.key));
      for (const entry of batch.entries) entry.resolve(found.get(entry.key));
    } catch (cause) {
      failure = cause;
      const error =
        cause instanceof SigraError ? cause : new SigraError('unavailable', 'The database did not answer.', { cause });
      for (const entry of batch.entries) entry.reject(error);
    } finally {
      this.signals.read(batch.entries.length, start, failure);
      this.inFlight = this.inFlight.filter((other) => other !== batch);
      this.scheduleDispatch();
    }
  }

  /** Rejects the callers whose deadline has passed. One timer serves all, and settled promises ignore the rejection. */
  private sweep(): void {
    this.sweepTimer = undefined;
    const now = performance.now();
    const error = late();
    let next = Infinity;
    for (const batch of this.inFlight) {
      for (const entry of batch.entries) if (entry.deadline <= now) entry.reject(error);
      const patient = batch.entries.find((entry) => entry.deadline > now);
      if (patient) next = Math.min(next, patient.deadline);
      else batch.abandoned = true;
    }
    const shed: Waiting<Value>[] = [];
    for (const entry of this.queue.values()) {
      if (entry.deadline > now) {
        next = Math.min(next, entry.deadline);
        break;
      }
      this.queue.delete(entry.key);
      entry.reject(error);
      shed.push(entry);
    }
    if (shed.length > 0) {
      const requests = callersOf(shed);
      this.setWaiting(this.waiting - requests);
      this.signals.shed('timeout', requests);
    }
    if (next < Infinity) this.sweepTimer = setTimeout(() => this.sweep(), Math.max(next - now, 1)).unref();
    this.scheduleDispatch();
  }

  private setWaiting(waiting: number): void {
    this.waiting = waiting;
    this.signals.queued(waiting);
  }
}

function callersOf(entries: readonly { readonly callers: number }[]): number {
  let count = 0;
  for (const { callers } of entries) count += callers;
  return count;
}
