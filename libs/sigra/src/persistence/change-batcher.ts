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
 * and make the next batch larger. If a batch of several changes fails, each is made alone, so that none fails for another.
 */
export class ChangeBatcher<Change, Result> {
  /** In the order in which they came. */
  private readonly queue = new Set<Waiting<Change, Result>>();
  private inFlight = 0;
  private dispatchScheduled = false;
  private readonly maxBatchSize: number;
  private readonly maxInFlight: number;
  private readonly maxQueued: number;
  /** Batches run in the async context of the application, because they serve many requests. */
  private readonly context = new AsyncResource('SigraChangeBatcher');

  constructor(private readonly options: ChangeBatcherOptions<Change, Result>) {
    this.maxBatchSize = options.maxBatchSize ?? 128;
    this.maxInFlight = options.maxInFlight ?? 2;
    this.maxQueued = options.maxQueued ?? 20_000;
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
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.queue.delete(waiting);
        reject(late());
      }, deadline.left);
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
    const failed = await this.tryTogether(batch);
    for (const waiting of failed) await this.tryAlone(waiting);
    this.inFlight--;
    this.scheduleDispatch();
  }

  /** @returns the changes to make alone */
  private async tryTogether(batch: readonly Waiting<Change, Result>[]): Promise<readonly Waiting<Change, Result>[]> {
    // The one with the least time must not be made late; the others are repeated.
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
      if (isKnown && batch.length > 1) return batch;
      for (const { reject } of batch) reject(error);
    }
    return [];
  }

  private async tryAlone(waiting: Waiting<Change, Result>): Promise<void> {
    if (waiting.deadline.isOver) waiting.reject(late());
    else await this.tryTogether([waiting]);
  }
}
