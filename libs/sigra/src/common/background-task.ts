import { AsyncResource } from 'node:async_hooks';

/**
 * Runs `work` some time after it was asked for: many requests, one run. Runs never overlap, a failing run never rejects
 * anywhere, and the timer never keeps the process alive.
 */
export class BackgroundTask {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  /** Its runs belong to no request: not to the one that happened to ask first. */
  private readonly context = new AsyncResource('SigraBackgroundTask');

  constructor(
    private readonly delayMs: number,
    private readonly work: () => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Asks for a run within the delay. */
  request(): void {
    this.timer ??= setTimeout(() => void this.run(), this.delayMs).unref();
  }

  /** Runs now, after the run that may be under way. */
  run(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running = this.context.runInAsyncScope(() => this.running.then(this.work).catch(this.onError));
    return this.running;
  }
}
