import type { Principal } from '../common/principal.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { missingScopes } from '../scopes/can.js';
import type { ScopeRequirement } from './decorators/route-metadata.js';

/** @throws SigraError `unauthorized` without a principal, `insufficient_scope` when it lacks something */
export function assertScopes(
  principal: Principal | undefined,
  requirements: readonly ScopeRequirement[],
  writeImpliesRead: boolean,
): void {
  if (requirements.length === 0) return;
  if (!principal) throw unauthorized();
  const missing = requirements.flatMap((requirement) => missingOf(principal, requirement, writeImpliesRead));
  if (missing.length === 0) return;
  const required = [...new Set(requirements.flatMap((requirement) => requirement.scopes))];
  throw refuse('insufficient_scope', 'The credential lacks a scope that this request needs.', {
    refusal: { required, missing: [...new Set(missing)] },
  });
}

export function unauthorized(): SigraError {
  return refuse('unauthorized', 'This request needs a credential.');
}

function missingOf(
  principal: Principal,
  { match, scopes }: ScopeRequirement,
  writeImpliesRead: boolean,
): readonly string[] {
  const missing = missingScopes(principal.scopes, scopes, writeImpliesRead);
  return match === 'any' && missing.length < scopes.length ? [] : missing;
}
