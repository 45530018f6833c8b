import { setTimeout as delay } from 'node:timers/promises';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/**
 * Longer than any request should take. A step that waits longer, such as for a silent connection, is left to the end of the
 * process.
 */
const STEP_TIMEOUT_MS = 4000;
/** Short enough for a person who pressed Ctrl-C. */
const TIMEOUT_MS = 9000;
const SAME_SIGNAL_MS = 300;

type Step = () => Promise<void>;

/** Closes everything when the process ends, in the reverse order of opening. */
export class Shutdown {
  private readonly steps: Step[] = [];
  private running: Promise<void> | undefined;

  get begun(): boolean {
    return this.running !== undefined;
  }

  /** Ends the process on the signals of a terminal or a service manager; at once on a second signal. */
  onSignals(): void {
    let first: number | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        first ??= performance.now();
        // npm forwards the signal of a terminal, which the process has received already.
        if (performance.now() - first > SAME_SIGNAL_MS) process.exit(1);
        void this.run().then(() => process.exit(0));
      });
    }
  }

  add(step: Step): void {
    this.steps.push(step);
  }

  /** Runs all steps, once. A step that fails is logged, and the others still run. */
  run(): Promise<void> {
    return (this.running ??= this.runSteps());
  }

  private async runSteps(): Promise<void> {
    setTimeout(() => process.exit(1), TIMEOUT_MS).unref();
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      const closed = step().catch((error: unknown) => console.error(`While shutting down: ${String(error)}`));
      await Promise.race([closed, delay(STEP_TIMEOUT_MS, undefined, { ref: false })]);
    }
  }
}
