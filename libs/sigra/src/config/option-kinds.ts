import { isScope, isScopeList, isWildcard, MAX_SCOPES } from '../common/scope-grammar.js';
import {
  type Computed,
  describeValue,
  option,
  type OptionSpec,
  rejectOption,
  type SiblingsOf,
  type ValueOf,
} from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';

const HUNDRED_YEARS = 3_155_760_000;

export function flag<Default extends boolean | Computed>(facts: { readonly default: Default }) {
  return option({
    accepts: 'boolean',
    default: facts.default,
    check: (path, value) => (typeof value === 'boolean' ? value : rejectOption(path, 'true or false', value)),
  });
}

/** The sibling that holds the largest value, if one does. */
type Limits<Max> = Max extends string ? Readonly<Record<Max, number>> : unknown;

/**
 * A numeric string is refused: only the host knows what its environment variables mean.
 *
 * @param facts.unit in the plural, such as `rows`
 * @param facts.max a number, or the name of the option that holds it
 */
export function integer<
  const Max extends number | string,
  Default extends number | Computed | undefined = undefined,
>(facts: {
  readonly unit: string;
  readonly min: number;
  readonly max: Max;
  readonly default?: Default;
}): OptionSpec<number | ValueOf<Default>, Limits<Max> & SiblingsOf<Default>> {
  const { unit, min, max } = facts;
  return option({
    accepts: `${unit}, ${grouped(min)} to ${typeof max === 'string' ? `\`${max}\`` : grouped(max)}`,
    default: facts.default,
    check: (path, value, siblings: Limits<Max>) => {
      const largest = typeof max === 'string' ? (siblings as Readonly<Record<string, number>>)[max] : max;
      if (isInteger(value) && value >= min && value <= Number(largest)) return value;
      const remedy = typeof value === 'string' ? '; convert it with Number()' : '';
      return rejectOption(path, `an integer number of ${unit} from ${min} to ${largest}`, value, remedy);
    },
  });
}

/** @param facts.max at most a hundred years, unless given */
export function seconds<Default extends number | Computed | undefined = undefined>(facts: {
  readonly min: number;
  readonly max?: number;
  readonly default?: Default;
}) {
  return integer({ max: HUNDRED_YEARS, ...facts, unit: 'seconds' });
}

/**
 * @param facts.form what the message asks for, such as `a non-empty string`
 * @param facts.accepts what the documentation states; `form` unless given
 */
export function text<Default extends string | Computed | undefined = undefined>(facts: {
  readonly form: string;
  readonly accepts?: string;
  readonly matches: (value: string) => boolean;
  readonly default?: Default;
}) {
  const { form, accepts = form, matches } = facts;
  return option({
    accepts,
    default: facts.default,
    check: (path, value) => {
      if (typeof value === 'string' && matches(value)) return value;
      throw new SigraConfigError(path, `must be ${form}`);
    },
  });
}

/** A name in a token, such as an issuer or an audience. */
export function claimName<Default extends string | Computed | undefined = undefined>(facts: {
  readonly example?: string;
  readonly default?: Default;
}) {
  const { example, ...rest } = facts;
  return text({
    form: `a non-empty string${example === undefined ? '' : `, for example "${example}"`}`,
    accepts: 'string of 1 to 2,048 characters',
    matches: isClaimName,
    ...rest,
  });
}

export function isClaimName(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 2048;
}

/** The difference between clocks that times in a token allow. */
export const clockTolerance = seconds({ min: 0, max: 300, default: 5 });

export function oneOf<T extends string, Default extends T | Computed>(
  allowed: readonly T[],
  facts: { readonly default: Default },
) {
  return option({
    accepts: allowed.map((each) => `\`${each}\``).join(', '),
    default: facts.default,
    check: (path, value) =>
      allowed.find((each) => each === value) ?? rejectOption(path, `one of ${allowed.join(', ')}`, value),
  });
}

/**
 * @param facts.expected what the message asks for, such as `a function of the user`
 * @param facts.default absent for a required option
 */
export function callback<T>(facts: {
  readonly accepts: string;
  readonly expected: string;
  readonly default?: () => T;
  readonly example?: string;
}) {
  return option({
    accepts: facts.accepts,
    default: facts.default,
    check: (path, value) =>
      typeof value === 'function'
        ? (value as T)
        : rejectOption(path, facts.expected, value, facts.example && `; for example ${facts.example}`),
  });
}

/**
 * An array of strings without duplicates.
 *
 * @param facts.hint what a valid item looks like
 */
export function list(facts: {
  readonly accepts: string;
  readonly matches: (item: string) => boolean;
  readonly hint: string;
  readonly default: readonly string[];
}) {
  return option({
    accepts: facts.accepts,
    default: facts.default,
    check: (path, value): readonly string[] => {
      if (!isStrings(value)) return rejectOption(path, 'an array of strings', value);
      const wrong = value.find((item) => !facts.matches(item));
      if (wrong !== undefined) throw new SigraConfigError(path, `has ${describeValue(wrong)}; ${facts.hint}`);
      return Object.freeze([...new Set(value)]);
    },
  });
}

export const SCOPE_HINT = 'a scope is lower-case segments joined by ":", for example "read:projects"';

/** Scopes that a credential can get. */
export function registeredScopes(facts: { readonly default: readonly string[] }) {
  return list({
    accepts: 'array of scopes, wildcards excluded',
    matches: (scope) => isScope(scope) && !isWildcard(scope),
    hint: SCOPE_HINT,
    default: facts.default,
  });
}

/** Scopes that a caller has. */
export function heldScopes(facts: { readonly default: readonly string[] }) {
  const held = list({
    accepts: `array of at most ${MAX_SCOPES} scopes, wildcards included`,
    matches: isScope,
    hint: SCOPE_HINT,
    default: facts.default,
  });
  return {
    ...held,
    resolve: (path: string, value: unknown, siblings: unknown) => {
      const scopes = held.resolve(path, value, siblings);
      if (isScopeList(scopes)) return scopes;
      throw new SigraConfigError(path, `has too many scopes; use at most ${MAX_SCOPES}, for example wildcards`);
    },
  };
}

function grouped(bound: number): string {
  return bound.toLocaleString('en-US');
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}

function isStrings(value: unknown): value is readonly string[] {
  // The copy turns the holes of a sparse array into undefined.
  return Array.isArray(value) && [...(value as unknown[])].every((item) => typeof item === 'string');
}
