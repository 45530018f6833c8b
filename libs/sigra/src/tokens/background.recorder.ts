import { type BeforeApplicationShutdown, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTask, FLUSH_INTERVAL_MS } from '../common/background-task.js';

/**
 * Collects records in memory and writes them in the background, so that no request waits for them. A process that is killed
 * loses at most one interval.
 */
export abstract class BackgroundRecorder implements BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly writing: BackgroundTask;
  private readonly logger = new Logger(this.constructor.name);

  /**
   * @param loss what is lost when a write fails, for the log
   * @param intervalMs the longest time from a record to its write, in milliseconds. @default 2000
   */
  constructor(
    private readonly loss: string,
    intervalMs = FLUSH_INTERVAL_MS,
  ) {
    this.writing = new BackgroundTask(
      intervalMs,
      () => this.write(),
      (error) => this.logger.warn(`${loss}: ${String(error)}`),
    );
  }

  /** Writes the collected records now. */
  flush(): Promise<void> {
    return this.writing.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** Again: requests that were in flight have ended by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.flush();
    if (this.unwritten > 0) this.logger.warn(`${this.loss}: ${this.unwritten} token(s) when the application ended`);
  }

  /** The number of tokens whose records wait. */
  protected abstract readonly unwritten: number;

  /** Asks for a write within the interval. */
  protected requestWrite(): void {
    this.writing.request();
  }

  /** Takes what has been collected, and writes it. */
  protected abstract write(): Promise<void>;
}
