import { AsyncResource } from 'node:async_hooks';
import { type Deadline, late } from '../common/deadline.js';
import { refuse, SigraError } from '../common/sigra-error.js';

/** The options of a `ChangeBatcher`. */
export interface ChangeBatcherOptions<Change, Result> {
  /** What only one change of a batch can have, such as a row that it locks. */
  readonly keyOf: (change: Change) => string;
  /**
   * Makes all changes in one statement or transaction, which commits itself.
   *
   * @param timeout milliseconds until it is cancelled
   * @returns the results of the changes that were made, by their keys
   */
  readonly make: (changes: readonly Change[], timeout: number) => Promise<ReadonlyMap<string, Result>>;
  /** The time of a request, in milliseconds. A change that has less than a tenth of it left is rejected. */
  readonly limit: number;
  /** The most changes per batch. @default 128 */
  readonly maxBatchSize?: number;
  /** The most batches that run at once. @default 2 */
  readonly maxInFlight?: number;
  /** The most changes that wait; further ones are rejected. @default 20_000 */
  readonly maxQueued?: number;
}

interface Waiting<Change, Result> {
  readonly change: Change;
  readonly key: string;
  readonly deadline: Deadline;
  readonly resolve: (result: Result | undefined) => void;
  readonly reject: (error: unknown) => void;
  /** Rejects it while it waits. */
  readonly timer: NodeJS.Timeout;
}

/**
 * Combines the changes of one moment into one batch, which waits for the disk once. While batches run, further changes wait
 * and make the next batch larger. If a batch of several changes fails, each half of it is made for itself, and so on, so that
 * none fails for another.
 *
 * A batch has the time of the change that has the least. So a change is rejected a little before its deadline: after a stall, or
 * under more load than the database can take, those that wait longest would have no time left for a batch, and all batches would fail.
 */
export class ChangeBatcher<Change, Result> {
  /** In the order in which they came. */
  private readonly queue = new Set<Waiting<Change, Result>>();
  private inFlight = 0;
  private dispatchScheduled = false;
  private readonly maxBatchSize: number;
  private readonly maxInFlight: number;
  private readonly maxQueued: number;
  /** The least time that a change needs, in milliseconds. */
  private readonly least: number;
  /** Batches run in the async context of the application, because they serve many requests. */
  private readonly context = new AsyncResource('SigraChangeBatcher');

  constructor(private readonly options: ChangeBatcherOptions<Change, Result>) {
    this.maxBatchSize = options.maxBatchSize ?? 128;
    this.maxInFlight = options.maxInFlight ?? 2;
    this.maxQueued = options.maxQueued ?? 20_000;
    this.least = options.limit / 10;
  }

  /**
   * Makes a change.
   *
   * @returns undefined if it was not made
   * @throws SigraError `unavailable` when nothing has changed; `outcome_unknown` when the server did not say; also other errors of
   * the batch with this change alone
   */
  make(change: Change, deadline: Deadline): Promise<Result | undefined> {
    if (this.queue.size >= this.maxQueued) {
      return Promise.reject(refuse('unavailable', 'Too many requests are waiting for the database.'));
    }
    const patience = deadline.left - this.least;
    if (patience <= 0) return Promise.reject(late());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.queue.delete(waiting);
        reject(late());
      }, patience);
      const waiting = { change, key: this.options.keyOf(change), deadline, resolve, reject, timer };
      this.queue.add(waiting);
      this.scheduleDispatch();
    });
  }

  private scheduleDispatch(): void {
    if (this.dispatchScheduled || this.queue.size === 0 || this.inFlight >= this.maxInFlight) return;
    this.dispatchScheduled = true;
    setImmediate(() => {
      this.dispatchScheduled = false;
      this.context.runInAsyncScope(() => {
        while (this.queue.size > 0 && this.inFlight < this.maxInFlight) void this.run(this.takeBatch());
      });
    });
  }

  /** The changes that wait longest, one of each key. */
  private takeBatch(): readonly Waiting<Change, Result>[] {
    const batch = new Map<string, Waiting<Change, Result>>();
    for (const waiting of this.queue) {
      if (batch.size === this.maxBatchSize) break;
      if (batch.has(waiting.key)) continue;
      batch.set(waiting.key, waiting);
      this.queue.delete(waiting);
      clearTimeout(waiting.timer);
    }
    return [...batch.values()];
  }

  private async run(batch: readonly Waiting<Change, Result>[]): Promise<void> {
    this.inFlight++;
    await this.makeTogether(batch);
    this.inFlight--;
    this.scheduleDispatch();
  }

  private async makeTogether(batch: readonly Waiting<Change, Result>[]): Promise<void> {
    // The one with the least time must not be made late.
    const timeout = Math.min(...batch.map(({ deadline }) => deadline.left));
    try {
      const made = await this.options.make(
        batch.map(({ change }) => change),
        timeout,
      );
      for (const { key, resolve } of batch) resolve(made.get(key));
    } catch (error) {
      // Only when it is known that nothing has changed, it can be repeated.
      const isKnown = !(error instanceof SigraError && error.code === 'outcome_unknown');
      if (isKnown && batch.length > 1) await this.repeat(batch);
      else for (const { reject } of batch) reject(error);
    }
  }

  /** One change that always fails costs the others two batches for each time that their number can be halved. */
  private async repeat(batch: readonly Waiting<Change, Result>[]): Promise<void> {
    const half = Math.ceil(batch.length / 2);
    for (const part of [batch.slice(0, half), batch.slice(half)]) {
      const isLate = ({ deadline }: Waiting<Change, Result>) => deadline.left < this.least;
      for (const { reject } of part.filter(isLate)) reject(late());
      const others = part.filter((waiting) => !isLate(waiting));
      if (others.length > 0) await this.makeTogether(others);
    }
  }
}
