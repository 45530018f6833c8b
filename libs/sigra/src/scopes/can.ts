import { MAX_SCOPES } from '../common/scope-grammar.js';
import { ScopeRules } from '../common/scope-rules.js';
import { holdsResource, type RequestedResource } from './resource-requirement.js';

/** An object with scopes, such as an API token or a principal. */
export interface ScopeHolder {
  readonly scopes: readonly string[];
  /** The resources that the scopes are limited to. Null means all. @default all */
  readonly resources?: readonly string[] | null | undefined;
}

/** The options of `can`. */
export interface CanOptions {
  /** Whether all scopes are required, or one of them is enough. @default 'all' */
  match?: 'all' | 'any';
  /**
   * What the scopes are needed for, such as `project:42`; several resources must all be held. A holder that is limited to resources holds no scope for a resource
   * that is missing or invalid; a holder without a limit holds its scopes for all. @default none
   */
  resource?: RequestedResource | undefined;
  /**
   * How scopes grant others; see `scopeRules()`. @default for a principal from a guard, the application's rules; otherwise
   * wildcards alone
   */
  rules?: ScopeRules;
}

/**
 * Whether `holder` holds the scopes.
 *
 * `*` grants every scope, and `projects:*` every scope that begins with `projects:`. Returns false for a holder without
 * scopes, for an empty list with `match: 'any'`, and for a holder with `resources` that do not cover `resource`.
 *
 * @throws TypeError for more than 256 scopes
 *
 * @example
 * can({ scopes: ['projects:*'] }, ['projects:read']); // true
 * can({ scopes: ['projects:read'] }, ['projects:read', 'admin'], { match: 'any' }); // true
 * can({ scopes: ['*'], resources: ['project:42'] }, ['projects:read'], { resource: 'project:7' }); // false
 */
export function can(holder: ScopeHolder, scopes: readonly string[], options: CanOptions = {}): boolean {
  if (scopes.length > MAX_SCOPES) throw new TypeError(`sigra: can() compares at most ${MAX_SCOPES} scopes`);
  if (!holdsResource(holder.resources, options.resource)) return false;
  return holds(holder.scopes, scopes, options.match ?? 'all', options.rules ?? rulesOf(holder));
}

/** Like `can`, without an options object, which guards would allocate for each request. */
export function holds(
  granted: readonly string[],
  scopes: readonly string[],
  match: 'all' | 'any',
  rules: ScopeRules,
): boolean {
  if (granted.length === 0) return false;
  const isGranted = (scope: string) => rules.grants(granted, scope);
  return match === 'any' ? scopes.some(isGranted) : scopes.every(isGranted);
}

/** The `scopes` that `granted` does not cover, in their order. */
export function missingScopes(
  granted: readonly string[],
  scopes: readonly string[],
  rules: ScopeRules,
): readonly string[] {
  return scopes.filter((scope) => !rules.grants(granted, scope));
}

/**
 * The scopes that both grant, in the order of `granted`. A wildcard of one side, or a scope that implies others, becomes the
 * scopes of the other side that it grants.
 */
export function commonScopes(
  granted: readonly string[],
  ceiling: readonly string[],
  rules: ScopeRules,
): readonly string[] {
  const kept = granted.filter((scope) => rules.grants(ceiling, scope));
  if (kept.length === granted.length) return granted;
  const narrowed = ceiling.filter((scope) => rules.grants(granted, scope));
  const common = [...new Set([...kept, ...narrowed])];
  // Two scopes that do not grant each other can imply the same one.
  const implied = rules.implied.filter(
    (scope) => !rules.grants(common, scope) && rules.grants(granted, scope) && rules.grants(ceiling, scope),
  );
  return [...common, ...implied];
}

const RULES = Symbol.for('nestjs-sigra:scopeRules');

/**
 * Marks a principal with the rules of the application, so that functions without the configuration can apply them. The mark is
 * invisible to JSON, spread and comparison.
 *
 * @returns the holder itself if it has the right mark, otherwise a copy: the application can share its own object between
 * guards with different settings
 */
export function withRules<T extends ScopeHolder>(holder: T, rules: ScopeRules): T {
  if (rulesOf(holder) === rules) return holder;
  const copy = { ...holder };
  return rules === ScopeRules.NONE ? copy : Object.defineProperty(copy, RULES, { value: rules });
}

/** The rules that `withRules` has marked a principal with. */
export function rulesOf(holder: ScopeHolder): ScopeRules {
  return (holder as { readonly [RULES]?: ScopeRules })[RULES] ?? ScopeRules.NONE;
}
