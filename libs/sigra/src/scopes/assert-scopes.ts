import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import { isWithinResources } from '../common/resource-limit.js';
import { ScopeRules } from '../common/scope-rules.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { holds, missingScopes, rulesOf, type ScopeHolder } from './can.js';
import { assertHoldsResource, type RequestedResource } from './resource-requirement.js';

/** Required scopes: all of them, or any one of them. */
export interface ScopeRequirement {
  readonly match: 'all' | 'any';
  readonly scopes: readonly string[];
  /** What the scopes are needed for, or a function that tells it. Missing if nothing is said about it. */
  readonly resource?: unknown;
}

/** What `@RequireScopes()` and `requireScopes()` accept beside the scopes. */
export interface ScopeRequirementOptions<Resource> {
  /** Alternatives: one of them is enough. @default the scopes that are named, which are all needed */
  readonly any?: readonly [string, ...string[]];
  /** What the scopes are needed for. @default nothing, for which a credential that is limited to resources is refused */
  readonly resource?: Resource;
}

/** The arguments of `@RequireScopes()` and `requireScopes()`: scopes and options. */
export type RequiredScopes = readonly (string | ScopeRequirementOptions<unknown>)[];

const OPTIONS: readonly string[] = ['any', 'resource'] satisfies (keyof ScopeRequirementOptions<unknown>)[];

/**
 * Parses the arguments of `@RequireScopes()` or `requireScopes()`.
 *
 * @param caller the name of that function, for the error message
 * @throws TypeError when a scope is missing or malformed, for a list that is too long, and for an unknown option
 */
export function toRequirement(given: RequiredScopes, caller: string): ScopeRequirement {
  const last = given.at(-1);
  const options = typeof last === 'string' || Array.isArray(last) ? undefined : last;
  const named = options ? given.slice(0, -1) : given;
  const any = options?.any;
  const scopes: unknown = any === undefined ? named : named.length === 0 ? any : undefined;
  if (!isScopeList(scopes) || scopes.length === 0) {
    throw new TypeError(`sigra: ${caller} needs 1 to ${MAX_SCOPES} scopes such as "read:projects"`);
  }
  const unknown = Object.keys(options ?? {}).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new TypeError(`sigra: ${caller} has no option "${unknown}"`);
  const requirement = { match: any === undefined ? 'all' : 'any', scopes: [...scopes] } as const;
  return options && 'resource' in options ? { ...requirement, resource: options.resource } : requirement;
}

/**
 * Requires scopes in a handler, if they depend on more than the route. For a whole route, use `@RequireScopes()`.
 * The application's rules apply to a principal from a guard.
 *
 * @param principal the principal, from `@CurrentPrincipal()`
 * @param scopes the scopes that the principal must hold; or `{ any: [...] }` to require only one of them. The last argument
 * can have a `resource`: see `CanOptions.resource`
 * @throws SigraError `resource_not_allowed` for a principal that is limited to other resources; `insufficient_scope` with `refusal: { required, missing }`, which `SigraExceptionFilter` answers with
 * 403 and a challenge (RFC 6750 section 3.1); `unauthorized` without a principal
 * @throws TypeError when a scope is missing or malformed, or for a list that is too long
 *
 * @example
 * requireScopes(principal, 'read:projects', 'profile:read'); // all
 * requireScopes(principal, { any: ['write:projects', 'admin'] });
 * requireScopes(principal, 'read:projects', { resource: `project:${project.id}` });
 */
export function requireScopes(principal: ScopeHolder | undefined, ...scopes: [string, ...string[]]): asserts principal;
export function requireScopes(
  principal: ScopeHolder | undefined,
  ...scopes: [string, ...string[], { resource: RequestedResource | undefined }]
): asserts principal;
export function requireScopes(
  principal: ScopeHolder | undefined,
  alternatives: { any: readonly [string, ...string[]]; resource?: RequestedResource | undefined },
): asserts principal;
export function requireScopes(principal: ScopeHolder | undefined, ...given: RequiredScopes): void {
  const requirement = toRequirement(given, 'requireScopes()');
  assertScopes(principal, [requirement], principal ? rulesOf(principal) : ScopeRules.NONE);
  assertHoldsResource(principal?.resources, requirement.resource);
}

/**
 * Checks that a principal meets all requirements.
 *
 * @throws SigraError `unauthorized` without a principal; `insufficient_scope` when it lacks a scope
 */
export function assertScopes(
  principal: ScopeHolder | undefined,
  requirements: readonly ScopeRequirement[],
  rules: ScopeRules,
): void {
  if (requirements.length === 0) return;
  if (!principal) throw unauthorized();
  const isMet = ({ match, scopes }: ScopeRequirement) => holds(principal.scopes, scopes, match, rules);
  if (requirements.every(isMet)) return;
  const unmet = requirements.filter((requirement) => !isMet(requirement));
  const missing = unmet.flatMap(({ scopes }) => missingScopes(principal.scopes, scopes, rules));
  const required = [...new Set(requirements.flatMap((requirement) => requirement.scopes))];
  throw refuse('insufficient_scope', 'The credential lacks a scope that this request needs.', {
    refusal: { required, missing: [...new Set(missing)] },
  });
}

/**
 * Checks that a principal holds the scopes that it grants. Without a principal, the application grants them, without a
 * limit.
 *
 * @throws SigraError `insufficient_scope`
 */
export function assertMayGrant(principal: ScopeHolder | undefined, scopes: readonly string[], rules: ScopeRules): void {
  if (principal) assertCovers(principal.scopes, scopes, rules, 'A principal can only grant scopes that it holds.');
}

/**
 * Checks that a principal holds the scopes and the resources of the tokens that it revokes, rotates or changes. Without a
 * principal, the application acts, without a limit.
 *
 * @throws SigraError `insufficient_scope`, `resource_not_allowed`
 */
export function assertMayManage(
  principal: ScopeHolder | undefined,
  { scopes, resources = null }: ScopeHolder,
  rules: ScopeRules,
): void {
  if (!principal) return;
  assertCovers(principal.scopes, scopes, rules, 'A principal can only manage tokens whose scopes it holds.');
  if (isWithinResources(resources, principal.resources ?? null)) return;
  throw refuse('resource_not_allowed', 'A principal can only manage tokens whose resources it holds.');
}

/** @throws SigraError `insufficient_scope` with the message */
export function assertCovers(
  granted: readonly string[],
  scopes: readonly string[],
  rules: ScopeRules,
  message: string,
): void {
  const missing = missingScopes(granted, scopes, rules);
  if (missing.length > 0)
    throw new SigraError('insufficient_scope', message, { refusal: { required: scopes, missing } });
}

/** The refusal of a request without a credential. */
export function unauthorized(): SigraError {
  return refuse('unauthorized', 'This request needs a credential.');
}
