import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import type { AnyPrincipal } from '../common/principal.js';
import { type RequiredScopes, toRequirement } from '../scopes/assert-scopes.js';
import { requestOf } from './call-request.js';
import { HttpCaller } from './http-exchange.js';
import { toKindRequirement } from './kind-requirement.js';
import { type AllowedOwners, toAllowedOwners } from './owner-requirement.js';
import { assertResourceRule, type ResourceRule } from './resource-rule.js';
import {
  declaring,
  ENFORCES_SCOPES,
  ROUTE_ACCESS,
  ROUTE_OWNERS,
  ROUTE_REPEATS_ROTATION,
  ROUTE_REQUIREMENTS,
  type RouteAccess,
} from './route-metadata.js';
import { type RouteRequirement, routeRules } from './route-rules.js';

/**
 * Scopes that the caller's credential must hold: all of them, or any of them. Requirements add up: of a controller, of the
 * classes that it extends, of its handler, and of several decorators at one place. Every guard of Sigra enforces them; a
 * caller who lacks a scope gets 403 `insufficient_scope` (RFC 6750 section 3.1).
 *
 * A credential that is limited to resources, such as a token with `resources: ['project:42']`, needs a route that says which
 * resources a call is about. Without a `resource` in any requirement of the route, it gets 403 `resource_not_allowed`.
 * `resource` counts for all requirements of the route:
 *
 * - a function that returns one resource, or several, which must all be held. Those of several requirements add up. It is
 *   called only for limited credentials; if it throws, or returns an invalid resource, they are refused;
 * - `filtered`: the handler itself leaves out what `principal.resources` does not cover.
 *
 * @example
 * @RequireScopes('read:projects', 'profile:read') // all
 * @RequireScopes({ any: ['write:projects', 'admin'] })
 * @RequireScopes('read:projects', { resource: (context) => `project:${context.switchToHttp().getRequest().params.id}` })
 * @RequireScopes('read:projects', { resource: 'filtered' })
 * @throws TypeError while the class is defined, when a scope is missing or malformed, and for a wrong `resource`
 */
export function RequireScopes(
  ...scopes: [string, ...string[]] | [string, ...string[], { resource: ResourceRule }]
): ClassDecorator & MethodDecorator;
export function RequireScopes(alternatives: {
  any: readonly [string, ...string[]];
  resource?: ResourceRule;
}): ClassDecorator & MethodDecorator;
export function RequireScopes(...given: RequiredScopes): ClassDecorator & MethodDecorator {
  const requirement = toRequirement(given, '@RequireScopes()');
  assertResourceRule(requirement);
  return requiring(requirement);
}

/**
 * Kinds of API tokens that can call a handler: any one of them; see `apiTokens.kinds`. Requirements add up, as those of
 * `@RequireScopes()`, and every guard of Sigra enforces them. A token of another kind, a session, a JWT and a credential of
 * the application get 403 `kind_not_allowed`.
 *
 * @example
 * @RequireKind('live')
 * @RequireKind('live', 'test') // any
 * @throws TypeError while the class is defined, when a name is missing
 */
export function RequireKind(...kinds: [string, ...string[]]): ClassDecorator & MethodDecorator {
  return requiring(toKindRequirement(kinds));
}

/**
 * The types of owners that can call a handler: those of `owners`, and `users.type` if users can call it as well. Without it,
 * users alone can; every other owner gets 403 `owner_not_allowed`. On a handler it replaces the types of the class. A subclass
 * keeps those of its base class; on the subclass, it replaces those of the base class and takes others from its handlers. Every guard of Sigra enforces it.
 *
 * @example
 * @AllowOwners('organization')
 * @AllowOwners('user', 'organization')
 * @throws TypeError while the class is defined, when a type is missing
 */
export function AllowOwners(...types: [string, ...string[]]): ClassDecorator & MethodDecorator {
  const allowed = toAllowedOwners(types);
  return declaring<AllowedOwners>(ROUTE_OWNERS, () => allowed);
}

function requiring(requirement: RouteRequirement): ClassDecorator & MethodDecorator {
  return declaring<readonly RouteRequirement[]>(ROUTE_REQUIREMENTS, (below = []) => [requirement, ...below]);
}

/**
 * Opens a handler, or all handlers of a controller, to everybody: no credential is read. On a handler it also lifts the
 * controller's requirements. The application does not boot where the same handler or controller has one or names one of
 * Sigra's guards itself. Subclasses of the controller are not open, nor is a handler that names one of Sigra's guards
 * itself.
 *
 * @throws TypeError while the class is defined, beside `@OptionalAuth()`
 */
export const AllowAnonymous = (): ClassDecorator & MethodDecorator => declaringAccess('anonymous');

/**
 * Lets requests without a credential pass, without a principal. A credential that is present must be valid: an invalid one
 * is refused as on any route. Subclasses of a controller do not inherit it.
 *
 * @throws TypeError while the class is defined, beside `@AllowAnonymous()`
 */
export const OptionalAuth = (): ClassDecorator & MethodDecorator => declaringAccess('optional');

function declaringAccess(access: RouteAccess): ClassDecorator & MethodDecorator {
  return declaring<RouteAccess>(ROUTE_ACCESS, (_below, own = access) => {
    if (own === access) return access;
    throw new TypeError('@AllowAnonymous() and @OptionalAuth() contradict each other: remove one of them');
  });
}

/**
 * Declares that a guard of your own enforces `@RequireScopes()` and `@RequireKind()`, because it calls `admit()`. Without
 * it, the application does not boot when a route that requires some has no other guard of Sigra.
 */
export const EnforcesScopes = (): ClassDecorator => declaring<true>(ENFORCES_SCOPES, () => true);

/**
 * Lets an API token that has been rotated ask for the answer to its rotation again, with the idempotency key of that request.
 * The services make nothing for it.
 */
export const RepeatsRotation = (): MethodDecorator => declaring<true>(ROUTE_REPEATS_ROTATION, () => true);

/**
 * The `Principal` of the request; undefined for an anonymous request on an `@OptionalAuth()` or `@AllowAnonymous()` route.
 *
 * @throws TypeError when no guard of Sigra has looked for a principal
 */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  principalOf(context, '@CurrentPrincipal()'),
);

/**
 * The host's user who makes the request, or one property of it: `@CurrentUser()`, `@CurrentUser('email')`. Undefined where
 * the principal is, and for a principal that is not a user.
 *
 * @throws TypeError when no guard of Sigra has looked for a principal
 */
// The type is spelled out because the inferred one names a type that Nest 11 does not have.
export const CurrentUser: (...propertyOrPipes: (string | PipeTransform | Type<PipeTransform>)[]) => ParameterDecorator =
  createParamDecorator((property: string | undefined, context: ExecutionContext): unknown => {
    const user = principalOf(context, '@CurrentUser()')?.user as Readonly<Record<string, unknown>> | undefined;
    return property === undefined ? user : user?.[property];
  });

/** Guards leave the property on each request, undefined without a principal. */
function principalOf(context: ExecutionContext, decorator: string): AnyPrincipal | undefined {
  const request = requestOf(context);
  if ('sigra' in request || routeRules(context).access === 'anonymous') return request.sigra;
  throw new TypeError(
    `sigra: ${context.getClass().name}.${context.getHandler().name} has ${decorator}, but no guard has looked for a principal: use SigraAuthGuard, or ScopeGuard with credentials.resolve after a guard of another library`,
  );
}

/** The `Caller` of the request, for the services that a handler calls. */
export const CurrentCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const { principal, ipAddress, userAgent, waitingSince } = new HttpCaller(requestOf(context));
  return { principal, ipAddress, userAgent, waitingSince };
});
