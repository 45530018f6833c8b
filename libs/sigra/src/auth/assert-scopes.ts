import type { Principal } from '../common/principal.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { holds, missingScopes } from '../scopes/can.js';
import type { ScopeRequirement } from './decorators/route-metadata.js';

/** @throws SigraError `unauthorized` without a principal, `insufficient_scope` when it lacks something */
export function assertScopes(
  principal: Principal | undefined,
  requirements: readonly ScopeRequirement[],
  writeImpliesRead: boolean,
): void {
  if (requirements.length === 0) return;
  if (!principal) throw unauthorized();
  const isMet = ({ match, scopes }: ScopeRequirement) => holds(principal.scopes, scopes, match, writeImpliesRead);
  if (requirements.every(isMet)) return;
  const unmet = requirements.filter((requirement) => !isMet(requirement));
  const missing = unmet.flatMap(({ scopes }) => missingScopes(principal.scopes, scopes, writeImpliesRead));
  const required = [...new Set(requirements.flatMap((requirement) => requirement.scopes))];
  throw refuse('insufficient_scope', 'The credential lacks a scope that this request needs.', {
    refusal: { required, missing: [...new Set(missing)] },
  });
}

export function unauthorized(): SigraError {
  return refuse('unauthorized', 'This request needs a credential.');
}
