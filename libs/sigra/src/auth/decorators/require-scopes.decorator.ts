import 'reflect-metadata';
import { isScope } from '../../common/scope-grammar.js';
import { ROUTE_SCOPES, type ScopeRequirement } from './route-metadata.js';

/**
 * What the caller's credential must hold: all of the scopes, or any of them. Requirements add up: of a controller, of the
 * classes that it extends, of its handler, and of several decorators at one place. Enforced by every guard of Sigra; a
 * caller who lacks a scope is answered with 403 `insufficient_scope` (RFC 6750 section 3.1).
 *
 * @example
 * @RequireScopes('read:projects', 'profile:read') // all
 * @RequireScopes({ any: ['write:projects', 'admin'] })
 * @throws TypeError while the class is defined, when a scope is missing or malformed
 */
export function RequireScopes(...scopes: [string, ...string[]]): ClassDecorator & MethodDecorator;
export function RequireScopes(alternatives: { any: readonly [string, ...string[]] }): ClassDecorator & MethodDecorator;
export function RequireScopes(
  ...given: readonly (string | { any: readonly string[] })[]
): ClassDecorator & MethodDecorator {
  const requirement = requirementOf(given);
  return (target: object, _key?: string | symbol, descriptor?: PropertyDescriptor) => {
    const place = descriptor ? (descriptor.value as object) : target;
    const others = Reflect.getMetadata(ROUTE_SCOPES, place) as readonly ScopeRequirement[] | undefined;
    Reflect.defineMetadata(ROUTE_SCOPES, [requirement, ...(others ?? [])], place);
  };
}

function requirementOf(given: readonly (string | { any: readonly string[] })[]): ScopeRequirement {
  const [first] = given;
  const requirement: { match: 'all' | 'any'; scopes: unknown } =
    typeof first === 'object' && given.length === 1
      ? { match: 'any', scopes: first.any }
      : { match: 'all', scopes: given };
  const { match, scopes } = requirement;
  if (!Array.isArray(scopes) || scopes.length === 0 || !scopes.every(isScope)) {
    throw new TypeError('sigra: @RequireScopes() needs scopes such as "read:projects"');
  }
  return { match, scopes: [...scopes] };
}
