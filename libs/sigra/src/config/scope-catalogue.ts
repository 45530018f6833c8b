import { BUILT_IN_SCOPES, BUILT_IN_SCOPES_WITH_ADMIN, BUILT_IN_SCOPES_WITH_JWT } from './built-in-scopes.js';
import { isObject } from '../common/is-object.js';
import { isScope, isWildcard } from '../common/scope-grammar.js';
import { ScopeRules } from '../common/scope-rules.js';
import { flag, registeredScopes, SCOPE_HINT, text } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { describeValue, none, option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ApiTokenOptions, ScopeOptions } from './sigra-options.js';

const definition = section({
  name: text({ form: `a scope without a wildcard; ${SCOPE_HINT}`, accepts: 'scope', matches: isPlainScope }),
  title: text({ ...textUpTo(255), default: none }),
  description: text({ ...textUpTo(1000), default: none }),
  implies: registeredScopes({ default: [] }),
  group: text({ ...textUpTo(255), default: none }),
  danger: flag({ default: false }),
} satisfies SpecsOf<ScopeOptions>);

/** A scope as it is configured. */
export type ConfiguredScope = ReturnType<typeof definition.resolve>;

/** The scopes of an application, by name or with their texts and implications. */
export const scopeCatalogue = {
  ...option({ accepts: 'array of scopes, wildcards excluded, or of objects', default: [], check: checkScopes }),
  items: definition.options,
};

/**
 * The rules by which scopes of an application grant others, for guards of your own with `admit()`, and for `can()`.
 *
 * @param options as in `apiTokens`
 * @throws SigraConfigError for options that `apiTokens` refuses
 *
 * @example
 * const rules = scopeRules({ scopes: [{ name: 'admin', implies: ['read:projects'] }, 'read:projects'] });
 */
export function scopeRules({
  scopes,
  writeImpliesRead,
}: Pick<ApiTokenOptions, 'scopes' | 'writeImpliesRead'>): ScopeRules {
  return ScopeRules.of(scopeCatalogue.resolve('scopes', scopes, {}), writeImpliesRead === true);
}

function checkScopes(path: string, value: unknown): readonly ConfiguredScope[] {
  // The copy turns the holes of a sparse array into undefined.
  const given: readonly unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [undefined];
  if (!given.every((each) => typeof each === 'string' || isObject(each))) {
    return rejectOption(path, 'an array of strings and objects', value, `; ${SCOPE_HINT}`);
  }
  const byName = new Map<string, ConfiguredScope>();
  given.forEach((each, index) => {
    const scope = definition.resolve(
      `${path}[${index}]`,
      typeof each === 'string' ? { name: named(path, each) } : each,
    );
    if (byName.has(scope.name) && typeof each !== 'string') {
      throw new SigraConfigError(path, `has "${scope.name}" twice; remove one of them`);
    }
    byName.set(scope.name, byName.get(scope.name) ?? scope);
  });
  const scopes = [...byName.values()];
  scopes.forEach((scope) => {
    assertRegistered(path, scope, byName);
    assertAcyclic(path, scope.name, byName);
  });
  return Object.freeze(scopes);
}

const BUILT_IN: ReadonlySet<string> = new Set(
  [...BUILT_IN_SCOPES, ...BUILT_IN_SCOPES_WITH_ADMIN, ...BUILT_IN_SCOPES_WITH_JWT].map(({ name }) => name),
);

function assertRegistered(
  path: string,
  { name, implies }: ConfiguredScope,
  byName: ReadonlyMap<string, unknown>,
): void {
  const unknown = implies.find((scope) => !byName.has(scope) && !BUILT_IN.has(scope));
  if (unknown === undefined) return;
  throw new SigraConfigError(path, `has "${name}", which implies "${unknown}"; add "${unknown}" to the scopes as well`);
}

function assertAcyclic(path: string, first: string, byName: ReadonlyMap<string, ConfiguredScope>): void {
  /** The shortest ways from the first scope. */
  const ways = new Map([[first, [first]]]);
  // Ways that are added meanwhile are followed as well.
  for (const [scope, way] of ways) {
    for (const next of byName.get(scope)?.implies ?? []) {
      if (next === first) {
        const cycle = [...way, next].join(' implies ');
        throw new SigraConfigError(path, `has a cycle: ${cycle}; remove one of these implications`);
      }
      if (!ways.has(next)) ways.set(next, [...way, next]);
    }
  }
}

function named(path: string, name: string): string {
  if (isPlainScope(name)) return name;
  throw new SigraConfigError(path, `has ${describeValue(name)}; ${SCOPE_HINT}`);
}

function isPlainScope(scope: string): boolean {
  return isScope(scope) && !isWildcard(scope);
}

function textUpTo(max: number) {
  const form = `a string of 1 to ${max.toLocaleString('en-US')} characters`;
  return { form, accepts: form.slice(2), matches: (value: string) => value.trim() !== '' && value.length <= max };
}
