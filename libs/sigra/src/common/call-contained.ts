/**
 * Calls code of the application that nothing waits for, such as a hook. Never throws: an error, thrown or rejected, is reported.
 *
 * @param report must not throw
 */
export function callContained(call: () => unknown, report: (error: unknown) => void): void {
  try {
    const outcome = call();
    if (outcome instanceof Promise) outcome.catch(report);
  } catch (error) {
    report(error);
  }
}

/** An error for the log, with its stack trace. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
