import { SigraConfigError } from './sigra-config-error.js';

/**
 * One option: the check of its value, and the facts that `docs/configuration.md` states about it.
 *
 * @typeParam T the resolved value
 * @typeParam Siblings the options of the same section that a bound or a default depends on; they are declared first
 */
export interface OptionSpec<T, Siblings = unknown> {
  /** Type, unit and bounds, as the documentation states them. */
  readonly accepts: string;
  /** Undefined for a required option; a function for a default that is computed. */
  readonly default: unknown;
  /** The options of a section. */
  readonly options?: Specs;
  /** The options of each item of an array. */
  readonly items?: Specs;
  /** @throws SigraConfigError that names the option and the remedy, never a secret */
  readonly resolve: (path: string, value: unknown, siblings: Siblings) => T;
}

export type Specs<Siblings = never> = Readonly<Record<string, OptionSpec<unknown, Siblings>>>;

/** Computes a default from the options that the section declares before this one. */
export type Computed = (siblings: never) => unknown;

export type ValueOf<Default> = Default extends (siblings: never) => infer Value ? Value : never;
export type SiblingsOf<Default> = Default extends (siblings: infer Siblings) => unknown ? Siblings : unknown;

/** The default of an option that has none and is not required. */
export const none = (): undefined => undefined;

/**
 * Declares an option.
 *
 * @param facts.default absent for a required option; `check` also runs on a default that is not computed
 * @param facts.check returns the resolved value, or throws a SigraConfigError
 */
export function option<T, Default = undefined, Siblings = unknown>(facts: {
  readonly accepts: string;
  readonly default?: Default;
  readonly check: (path: string, value: unknown, siblings: Siblings) => T;
}): OptionSpec<T | ValueOf<Default>, NoInfer<Siblings> & SiblingsOf<Default>> {
  const { accepts, default: fallback, check } = facts;
  return {
    accepts,
    default: fallback,
    resolve: (path, value, siblings) => {
      if (value !== undefined) return check(path, value, siblings);
      if (typeof fallback !== 'function') return check(path, fallback, siblings);
      return (fallback as unknown as (given: typeof siblings) => ValueOf<Default>)(siblings);
    },
  };
}

/** Longer strings are not quoted in messages: the host may have put a key in the wrong place. */
const MAX_QUOTED = 63;

/** Describes a value for a message. Values of secret options are not passed here. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > MAX_QUOTED ? `a string of ${value.length} characters` : `the string ${JSON.stringify(value)}`;
  }
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function') return 'a function';
  return value === null || typeof value !== 'object' ? String(value) : 'an object';
}

/** @throws SigraConfigError that describes the value; not for secret options */
export function rejectOption(path: string, expected: string, value: unknown, remedy = ''): never {
  throw new SigraConfigError(path, `must be ${expected}, not ${describeValue(value)}${remedy}`);
}
