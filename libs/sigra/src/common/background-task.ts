import { AsyncResource } from 'node:async_hooks';

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

  /** Runs now, or as soon as the current run has ended. Replaces a scheduled run. */
  run(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running = this.context.runInAsyncScope(() => this.running.then(this.work).catch(this.onError));
    return this.running;
  }
}
