import { type CustomDecorator, SetMetadata } from '@nestjs/common';
import { isScope } from '../../common/scope-grammar.js';
import { ROUTE_SCOPES, type ScopeRequirement } from './route-metadata.js';

/**
 * What the caller's credential must hold: all of the scopes, or any of them. Requirements of a controller and of its
 * handler add up. Enforced by every guard of Sigra; a caller who lacks a scope is answered with 403
 * `insufficient_scope` (RFC 6750 section 3.1).
 *
 * @example
 * @RequireScopes('read:projects', 'profile:read') // all
 * @RequireScopes({ any: ['write:projects', 'admin'] })
 * @throws TypeError while the class is defined, when a scope is missing or malformed
 */
export function RequireScopes(...scopes: [string, ...string[]]): CustomDecorator;
export function RequireScopes(alternatives: { any: readonly [string, ...string[]] }): CustomDecorator;
export function RequireScopes(...given: readonly (string | { any: readonly string[] })[]): CustomDecorator {
  const [first] = given;
  const requirement: ScopeRequirement =
    typeof first === 'object'
      ? { match: 'any', scopes: [...first.any] }
      : { match: 'all', scopes: given as readonly string[] };
  if (requirement.scopes.length === 0 || !requirement.scopes.every(isScope)) {
    throw new TypeError('sigra: @RequireScopes() needs scopes such as "read:projects"');
  }
  return SetMetadata(ROUTE_SCOPES, requirement);
}
