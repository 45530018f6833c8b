import { refuse } from './sigra-error.js';

/** Limits how many tasks run at the same time. Others wait for their turn, in the order of their arrival. */
export class Slots {
  private taken = 0;
  private readonly waiting: (() => void)[] = [];

  /**
   * @param all the most tasks that run
   * @param mostWaiting the most tasks that wait
   */
  constructor(
    private readonly all: number,
    private readonly mostWaiting: number,
  ) {}

  /** Runs a task. @throws SigraError `unavailable` when too many are waiting; also the error of the task */
  async run<T>(task: () => Promise<T>): Promise<T> {
    await this.take();
    try {
      return await task();
    } finally {
      this.release();
    }
  }

  private take(): Promise<void> | undefined {
    if (this.taken < this.all) {
      this.taken++;
      return undefined;
    }
    if (this.waiting.length >= this.mostWaiting) throw refuse('unavailable', 'Too many requests are waiting.');
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** A waiting task gets the slot itself, so that no later one takes it. */
  private release(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.taken--;
  }
}
