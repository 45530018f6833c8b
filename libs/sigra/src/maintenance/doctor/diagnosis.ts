import { reasonOf } from '../../common/sigra-error.js';
import { SigraConfigError } from '../../config/sigra-config-error.js';
import type { Finding } from './finding.js';

/** A check that could not be made: its answer is not known. */
export interface UncheckedCode {
  readonly code: string;
  readonly reason: string;
}

/** The result of all checks. Each code is in `checked` or in `unchecked`. It contains no secrets and no raw tokens. */
export interface DiagnosisReport {
  readonly findings: readonly Finding[];
  readonly unchecked: readonly UncheckedCode[];
  /** The codes of the checks that were made, with and without a finding. */
  readonly checked: readonly string[];
}

/** A reason why checks cannot be made. */
export class NotChecked extends Error {}

/** Collects findings. A check that fails is not made, and the others go on. */
export class Diagnosis {
  private readonly findings: Finding[] = [];
  private readonly unchecked: UncheckedCode[] = [];
  private readonly checked: string[] = [];

  /** Makes checks that need the same facts. */
  async make(codes: readonly string[], find: () => Promise<readonly Finding[]> | readonly Finding[]): Promise<void> {
    try {
      const found = await find();
      this.findings.push(...found);
      this.checked.push(...codes);
    } catch (error) {
      const reason = reasonOf(error);
      this.unchecked.push(...codes.map((code) => ({ code, reason })));
    }
  }

  get report(): DiagnosisReport {
    return { findings: this.findings, unchecked: this.unchecked, checked: this.checked };
  }
}

/** An invalid option, whose message names it and the remedy, as a finding. @throws any other error */
export function findingOfOption(error: unknown): readonly Finding[] {
  if (!(error instanceof SigraConfigError)) throw error;
  const remedy = 'Change the option that the problem names. The application does not boot with it.';
  return [{ code: 'options.invalid', severity: 'error', problem: `${error.message}.`, remedy }];
}
