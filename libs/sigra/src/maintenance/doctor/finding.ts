/** A weakness of a set-up. */
export interface Finding {
  /** Stable, such as `connection.clock`. */
  readonly code: string;
  /** `error`: something fails, is lost or is open. `warning`: it can fail, or is weaker than it has to be. */
  readonly severity: 'error' | 'warning';
  readonly problem: string;
  readonly remedy: string;
}

/** Looks for one weakness. */
export interface Check<Facts> extends Omit<Finding, 'problem'> {
  /** @returns the problem; undefined when there is none */
  readonly find: (facts: Facts) => string | undefined;
}

/** Makes the findings of a group of checks. */
export function findingsOf<Facts>(checks: readonly Check<Facts>[], facts: Facts): readonly Finding[] {
  return checks.flatMap(({ code, severity, remedy, find }) => {
    const problem = find(facts);
    return problem === undefined ? [] : [{ code, severity, problem, remedy }];
  });
}
