import type { ExecutionContext } from '@nestjs/common';
import type { AnyPrincipal } from '../common/principal.js';
import { ScopeRules } from '../common/scope-rules.js';
import { assertScopes, unauthorized } from '../scopes/assert-scopes.js';
import { withRules } from '../scopes/can.js';
import { keepRequest, renewCall, type RequestFinder, requestOf } from './call-request.js';
import { refuseCall } from './call-refusal.js';
import type { HttpRequest } from './http-exchange.js';
import type { ChallengeSettings } from './http-refusal.js';
import { assertKinds } from './kind-requirement.js';
import { assertOwner } from './owner-requirement.js';
import { assertResources } from './resource-rule.js';
import { routeRules, type RouteRules } from './route-rules.js';
import { checkEvents } from './subscription-events.js';

type Identify = (request: HttpRequest) => AnyPrincipal | undefined | Promise<AnyPrincipal | undefined>;

/** The settings of an application for all its routes. */
export interface AdmissionSettings extends ChallengeSettings {
  /** How scopes grant others; see `scopeRules()`. @default wildcards alone */
  readonly rules?: ScopeRules;
  /** `users.type`, for `@AllowOwners()`. @default 'user' */
  readonly usersType?: string;
}

/**
 * The work of every authenticating guard, however it identifies the caller: it lets `@AllowAnonymous()` routes pass, leaves
 * the principal on the request for `@CurrentPrincipal()` and `@CurrentUser()`, and enforces `@AllowOwners()`,
 * `@RequireScopes()` and `@RequireKind()`. For guards of your own, in every context.
 *
 * @param identify finds the principal of the request; it is not called on `@AllowAnonymous()` routes. Undefined means a
 * request without a credential
 * @param find finds the request of the call. @default for HTTP, GraphQL, WebSockets and microservices, the request of the
 * call or an object that stands for it
 * @returns true
 * @throws HttpException 401, 403 and the like, with body and headers of RFC 6750, for each `SigraError`. On WebSockets a
 * `WsException` and in microservices an `RpcException`, with the same body
 *
 * @example
 * canActivate(context: ExecutionContext) {
 *   return admit(context, { realm: 'api' }, (request) => this.byClientCertificate(request));
 * }
 */
export async function admit(
  context: ExecutionContext,
  settings: AdmissionSettings,
  identify: Identify,
  find: RequestFinder = requestOf,
): Promise<boolean> {
  const rules = routeRules(context);
  if (rules.access === 'anonymous') return true;
  try {
    const request = find(context);
    if (context.getType() !== 'http') prepare(context, settings, identify, request);
    await settle(request, await identify(request), rules, settings, context);
    return true;
  } catch (error) {
    return refuseCall(error, settings, context);
  }
}

/** What only calls other than HTTP need. */
function prepare(
  context: ExecutionContext,
  settings: AdmissionSettings,
  identify: Identify,
  request: HttpRequest,
): void {
  keepRequest(context, request);
  checkEvents(context, async () => {
    renewCall(context);
    try {
      await settle(request, await identify(request), routeRules(context), settings, context);
    } catch (error) {
      await refuseCall(error, settings, context);
    }
  });
}

function settle(
  request: HttpRequest,
  principal: AnyPrincipal | undefined,
  route: RouteRules,
  { rules: scopeRules = ScopeRules.NONE, usersType }: AdmissionSettings,
  context: ExecutionContext,
): Promise<void> | undefined {
  if (!principal && route.access === 'required') throw unauthorized();
  request.sigra = principal && withRules(principal, scopeRules);
  request.user = principal?.user;
  return assertAllowed(principal, route, scopeRules, context, usersType);
}

/**
 * Checks what the decorators of a route require.
 *
 * @throws SigraError `unauthorized` without a principal; `owner_not_allowed`, `kind_not_allowed`, `insufficient_scope`; rejects
 * with `resource_not_allowed` for a principal that is limited to other resources
 * @returns undefined for a principal that is not limited to resources
 */
export function assertAllowed(
  principal: AnyPrincipal | undefined,
  { owners, kinds, scopes, resources }: RouteRules,
  rules: ScopeRules,
  context: ExecutionContext,
  usersType?: string,
): Promise<void> | undefined {
  assertOwner(principal, owners, usersType);
  assertKinds(principal, kinds);
  assertScopes(principal, scopes, rules);
  const limit = principal?.resources ?? null;
  return limit === null || scopes.length === 0 ? undefined : assertResources(limit, resources, context);
}
