import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import { ScopeRules } from '../common/scope-rules.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { holds, missingScopes, rulesOf, type ScopeHolder } from './can.js';

/** Required scopes: all of them, or any one of them. */
export interface ScopeRequirement {
  readonly match: 'all' | 'any';
  readonly scopes: readonly string[];
}

/** The arguments of `@RequireScopes()` and `requireScopes()`: scopes, or one object with alternatives. */
export type RequiredScopes = readonly (string | { any: readonly string[] })[];

/**
 * Parses the arguments of `@RequireScopes()` or `requireScopes()`.
 *
 * @param caller the name of that function, for the error message
 * @throws TypeError when a scope is missing or malformed, or for a list that is too long
 */
export function toRequirement(given: RequiredScopes, caller: string): ScopeRequirement {
  const [first] = given;
  const requirement: { match: 'all' | 'any'; scopes: unknown } =
    typeof first === 'object' && given.length === 1
      ? { match: 'any', scopes: first.any }
      : { match: 'all', scopes: given };
  const { match, scopes } = requirement;
  if (!isScopeList(scopes) || scopes.length === 0) {
    throw new TypeError(`sigra: ${caller} needs 1 to ${MAX_SCOPES} scopes such as "read:projects"`);
  }
  return { match, scopes: [...scopes] };
}

/**
 * Requires scopes in a handler, if they depend on more than the route. For a whole route, use `@RequireScopes()`.
 * The application's rules apply to a principal from a guard.
 *
 * @param principal the principal, from `@CurrentPrincipal()`
 * @param scopes the scopes that the principal must hold; or `{ any: [...] }` to require only one of them
 * @throws SigraError `insufficient_scope` with `refusal: { required, missing }`, which `SigraExceptionFilter` answers with
 * 403 and a challenge (RFC 6750 section 3.1); `unauthorized` without a principal
 * @throws TypeError when a scope is missing or malformed, or for a list that is too long
 *
 * @example
 * requireScopes(principal, 'read:projects', 'profile:read'); // all
 * requireScopes(principal, { any: ['write:projects', 'admin'] });
 */
export function requireScopes(principal: ScopeHolder | undefined, ...scopes: [string, ...string[]]): asserts principal;
export function requireScopes(
  principal: ScopeHolder | undefined,
  alternatives: { any: readonly [string, ...string[]] },
): asserts principal;
export function requireScopes(principal: ScopeHolder | undefined, ...given: RequiredScopes): void {
  const requirement = toRequirement(given, 'requireScopes()');
  assertScopes(principal, [requirement], principal ? rulesOf(principal) : ScopeRules.NONE);
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
 * Checks that a principal holds the scopes of the tokens that it revokes, rotates or changes. Without a principal, the
 * application acts, without a limit.
 *
 * @throws SigraError `insufficient_scope`
 */
export function assertMayManage(
  principal: ScopeHolder | undefined,
  scopes: readonly string[],
  rules: ScopeRules,
): void {
  if (principal)
    assertCovers(principal.scopes, scopes, rules, 'A principal can only manage tokens whose scopes it holds.');
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
