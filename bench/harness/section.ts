import type { Machine } from './machine.js';

/** A target and its measurement. */
export interface Demand {
  readonly what: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  /** Such as `times` or `µs`. */
  readonly unit: string;
  /** Null if it could not be measured. */
  readonly measured: number | null;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** Numbers are aligned to the right and rounded to significant digits. */
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export type Chart = {
  /** Name of the file, without its extension. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
} & (
  | { readonly kind: 'bars'; readonly bars: readonly { readonly label: string; readonly value: number }[] }
  | {
      readonly kind: 'lines';
      /** Label of the horizontal axis. */
      readonly xLabel: string;
      readonly x: readonly number[];
      readonly series: readonly Series[];
    }
);

/** The findings of a benchmark. */
export interface Findings {
  readonly demands: readonly Demand[];
  readonly tables: readonly Table[];
  readonly charts: readonly Chart[];
  /** Notes that readers need to judge the figures. */
  readonly notes: readonly string[];
}

/** Findings and their circumstances, as stored in `results.json`. */
export interface Section extends Findings {
  readonly title: string;
  readonly date: string;
  /** The commit that was measured, with `+` if the working tree had changes. */
  readonly commit: string;
  readonly minutes: number;
  readonly quick: boolean;
  readonly machine: Machine;
}

export function isMet({ bound, limit, measured }: Demand): boolean | undefined {
  if (measured === null) return undefined;
  return bound === 'at least' ? measured >= limit : measured <= limit;
}
