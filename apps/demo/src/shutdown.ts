const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Longer than any request should take, and short enough for a person who pressed Ctrl-C. */
const TIMEOUT_MS = 6000;
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
      await step().catch((error: unknown) => console.error(`While shutting down: ${String(error)}`));
    }
  }
}
