import { flag } from './option-kinds.js';
import { describeValue, type OptionSpec, type Specs } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';

/** One spec for every option of `Options`, and for nothing else. */
export type SpecsOf<Options> = { readonly [Name in keyof Options]-?: OptionSpec<unknown, never> };

export type Resolved<S extends Specs> = { readonly [Name in keyof S]: ReturnType<S[Name]['resolve']> };

/** Specs whose siblings are options of the same section. */
type Consistent<S extends Specs> = S & Specs<Resolved<S>>;

export interface SectionSpec<T> extends OptionSpec<T> {
  readonly options: Specs;
  /** Takes no siblings: a section depends on nothing outside it. */
  readonly resolve: (path: string, value: unknown) => T;
}

/**
 * Declares an object of options. It resolves to a frozen object; an absent section counts as an empty one.
 *
 * @param specs in the order of the messages and the documentation; an option depends only on those above it
 * @param finish checks the options against each other and returns the resolved section; without it, the options
 */
export function section<S extends Specs>(specs: Consistent<S>): SectionSpec<Resolved<S>>;
export function section<S extends Specs, T extends object>(
  specs: Consistent<S>,
  finish: (options: Resolved<S>, path: string) => T,
): SectionSpec<Readonly<T>>;
export function section<S extends Specs>(
  specs: Consistent<S>,
  finish: (options: Resolved<S>, path: string) => object = (options) => options,
): SectionSpec<object> {
  return declare(specs, (path, given) => Object.freeze(finish(resolveAll<S>(specs, path, given), path)));
}

/** A section that is undefined unless its flag `enabled` is true; until then, the other values are not checked. */
export function switchedSection<S extends Specs, T extends object>(
  specs: Consistent<S>,
  finish: (options: Resolved<S>, path: string) => T,
): SectionSpec<Readonly<T> | undefined> {
  const enabled = flag({ default: false });
  return declare({ enabled, ...specs }, (path, given) => {
    if (!enabled.resolve(pathOf(path, 'enabled'), given.enabled, given)) return undefined;
    return Object.freeze(finish(resolveAll<S>(specs, path, given), path));
  });
}

/** The section, or undefined when the host does not give it. */
export function optional<T>(spec: SectionSpec<T>): SectionSpec<T | undefined> {
  return {
    ...spec,
    resolve: (path, value) => (value === undefined ? undefined : spec.resolve(path, value)),
  };
}

/** A section that the host must give. */
export function required<T>(spec: SectionSpec<T>, remedy: string): SectionSpec<T> {
  return {
    ...spec,
    resolve: (path, value) => {
      if (value === undefined) throw new SigraConfigError(path, `is missing; ${remedy}`);
      return spec.resolve(path, value);
    },
  };
}

type Given = Readonly<Record<string, unknown>>;

function declare<T>(options: Specs, resolve: (path: string, given: Given) => T): SectionSpec<T> {
  const known = Object.keys(options);
  return {
    accepts: 'object',
    default: {},
    options,
    resolve: (path, value = {}) => resolve(path, optionsAt(path, value, known)),
  };
}

/** The object at `path`, without unknown keys and without null. */
function optionsAt(path: string, value: unknown, known: readonly string[]): Given {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    // A string is never quoted: the host may have put a secret where an object belongs.
    const kind = typeof value === 'string' ? 'a string' : describeValue(value);
    throw new SigraConfigError(path || 'options', `must be an object, not ${kind}`);
  }
  for (const [name, each] of Object.entries(value)) {
    const option = pathOf(path, name);
    if (!known.includes(name)) throw new SigraConfigError(option, `is not an option; known are: ${known.join(', ')}`);
    // If null meant the default, a failed lookup of a setting would go unnoticed.
    if (each === null) throw new SigraConfigError(option, 'must not be null; leave it out for its default');
  }
  return value as Given;
}

function resolveAll<S extends Specs>(specs: Specs, path: string, values: Given): Resolved<S> {
  const resolved: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    resolved[name] = spec.resolve(pathOf(path, name), values[name], resolved as never);
  }
  return resolved as Resolved<S>;
}

function pathOf(section: string, name: string): string {
  return section === '' ? name : `${section}.${name}`;
}
