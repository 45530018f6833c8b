import { AsyncResource } from 'node:async_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** How long records wait in memory until they are written in bulk, in milliseconds. */
export const FLUSH_INTERVAL_MS = 2000;

/**
 * Runs `work` within a delay after a request, once for all requests of that time. Runs never overlap, `run` never
 * rejects, and the timer does not keep the process alive.
 */
export class BackgroundTask {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  /** Runs use the async context of the application, not that of the first request. */
  private readonly context = new AsyncResource('SigraBackgroundTask');

  /** @param onError receives the error of each failed run */
  constructor(
    private readonly delayMs: number,
    private readonly work: () => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Schedules a run within the delay. */
  request(): void {
    this.timer ??= setTimeout(() => void this.run(), this.delayMs).unref();
  }

  /** Gives up a scheduled run. */
  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Runs now, or as soon as the current run has ended. Replaces a scheduled run. */
  run(): Promise<void> {
    this.cancel();
    this.running = this.context.runInAsyncScope(() => this.running.then(this.work).catch(this.onError));
    return this.running;
  }
}

/** How long a background write can take, in milliseconds: no request waits for it, but a shutdown does. */
export const FLUSH_TIMEOUT_MS = 5_000;

/**
 * How long a batch of background work can take, in milliseconds. No request waits for it, but a connection that falls silent must
 * not stop the work.
 */
export const BATCH_TIMEOUT_MS = 30_000;

/** The longest pause between batches, in milliseconds. */
const LONGEST_REST_MS = 1000;

/**
 * Pauses after a batch for as long as it took, so that requests have at least half of the time.
 *
 * @param start of the batch, in milliseconds of `performance.now()`
 */
export async function restAfter(start: number): Promise<void> {
  await pause(Math.min(performance.now() - start, LONGEST_REST_MS));
}
