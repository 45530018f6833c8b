import type { AnyPrincipal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { unauthorized } from '../scopes/assert-scopes.js';

/** The kinds of API tokens that a handler accepts. */
export interface KindRequirement {
  readonly kinds: readonly string[];
}

/**
 * Parses the arguments of `@RequireKind()`.
 *
 * @throws TypeError without a name, or for a name that is not a string
 */
export function toKindRequirement(kinds: readonly unknown[]): KindRequirement {
  const names = kinds.filter((kind): kind is string => typeof kind === 'string' && kind !== '');
  if (names.length > 0 && names.length === kinds.length) return { kinds: names };
  throw new TypeError('sigra: @RequireKind() needs names of kinds such as "live"');
}

/**
 * Checks that a principal is an API token of a kind that each requirement accepts. A JWT has no kind: what an API token can
 * make with it is not known here.
 *
 * @throws SigraError `unauthorized` without a principal, `kind_not_allowed`
 */
export function assertKinds(principal: AnyPrincipal | undefined, requirements: readonly KindRequirement[]): void {
  for (const { kinds } of requirements) {
    if (!principal) throw unauthorized();
    const { method, tokenKind } = principal;
    if (method === 'api_token' && tokenKind !== undefined && kinds.includes(tokenKind)) continue;
    throw refuse('kind_not_allowed', `This request needs an API token of the kind ${kinds.join(' or ')}.`);
  }
}
