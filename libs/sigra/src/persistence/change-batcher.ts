import { AsyncResource } from 'node:async_hooks';
import { type Deadline, late } from '../common/deadline.js';
import { refuse, SigraError } from '../common/sigra-error.js';

/** The options of a `ChangeBatcher`. */
export interface ChangeBatcherOptions<Change> {
  /** What only one change of a statement can have, such as a row that it locks. */
  readonly keyOf: (change: Change) => string;
  /**
   * Makes all changes in one statement that commits itself.
   *
   * @param timeout milliseconds until it is cancelled
   * @returns the keys of the changes that were made
   */
  readonly make: (changes: readonly Change[], timeout: number) => Promise<ReadonlySet<string>>;
  /** The most changes per statement. @default 128 */
  readonly maxBatchSize?: number;
  /** The most statements that run at once. @default 2 */
  readonly maxInFlight?: number;
  /** The most changes that wait; further ones are rejected. @default 20_000 */
  readonly maxQueued?: number;
}

interface Waiting<Change> {
  readonly change: Change;
  readonly key: string;
  readonly deadline: Deadline;
  readonly resolve: (isMade: boolean) => void;
  readonly reject: (error: unknown) => void;
  /** Rejects it while it waits. */
  readonly timer: NodeJS.Timeout;
}

/**
 * Combines the changes of one moment into one statement, which waits for the disk once. While statements run, further changes
 * wait and make the next statement larger. If a statement with several changes fails, each is made alone, so that none fails for
 * another.
 */
export class ChangeBatcher<Change> {
  /** In the order in which they came. */
  private readonly queue = new Set<Waiting<Change>>();
  private inFlight = 0;
  private dispatchScheduled = false;
  private readonly maxBatchSize: number;
  private readonly maxInFlight: number;
  private readonly maxQueued: number;
  /** Statements run in the async context of the application, because they serve many requests. */
  private readonly context = new AsyncResource('SigraChangeBatcher');

  constructor(private readonly options: ChangeBatcherOptions<Change>) {
    this.maxBatchSize = options.maxBatchSize ?? 128;
    this.maxInFlight = options.maxInFlight ?? 2;
    this.maxQueued = options.maxQueued ?? 20_000;
  }

  /**
   * Makes a change.
   *
   * @returns whether it was made
   * @throws SigraError `unavailable` when nothing has changed; `outcome_unknown` when the server did not say; also other errors of
   * the statement with this change alone
   */
  make(change: Change, deadline: Deadline): Promise<boolean> {
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
  private takeBatch(): readonly Waiting<Change>[] {
    const batch = new Map<string, Waiting<Change>>();
    for (const waiting of this.queue) {
      if (batch.size === this.maxBatchSize) break;
      if (batch.has(waiting.key)) continue;
      batch.set(waiting.key, waiting);
      this.queue.delete(waiting);
      clearTimeout(waiting.timer);
    }
    return [...batch.values()];
  }

  private async run(batch: readonly Waiting<Change>[]): Promise<void> {
    this.inFlight++;
    const failed = await this.tryTogether(batch);
    for (const waiting of failed) await this.tryAlone(waiting);
    this.inFlight--;
    this.scheduleDispatch();
  }

  /** @returns the changes to make alone */
  private async tryTogether(batch: readonly Waiting<Change>[]): Promise<readonly Waiting<Change>[]> {
    // The one with the least time must not be made late; the others are repeated.
    const timeout = Math.min(...batch.map(({ deadline }) => deadline.left));
    try {
      const made = await this.options.make(
        batch.map(({ change }) => change),
        timeout,
      );
      for (const { key, resolve } of batch) resolve(made.has(key));
    } catch (error) {
      // Only when it is known that nothing has changed, it can be repeated.
      const isKnown = !(error instanceof SigraError && error.code === 'outcome_unknown');
      if (isKnown && batch.length > 1) return batch;
      for (const { reject } of batch) reject(error);
    }
    return [];
  }

  private async tryAlone(waiting: Waiting<Change>): Promise<void> {
    if (waiting.deadline.isOver) waiting.reject(late());
    else await this.tryTogether([waiting]);
  }
}
