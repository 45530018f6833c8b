import type { ExecutionContext } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { assertScopes, unauthorized } from '../scopes/assert-scopes.js';
import { withImpliedRead } from '../scopes/can.js';
import { keepRequest, type RequestFinder, requestOf } from './call-request.js';
import { refuseCall } from './call-refusal.js';
import type { HttpRequest } from './http-exchange.js';
import type { ChallengeSettings } from './http-refusal.js';
import { routeRules } from './route-rules.js';

/** The settings of an application for all its routes. */
export interface AdmissionSettings extends ChallengeSettings {
  /** Whether `write:projects` also grants `read:projects`. */
  readonly writeImpliesRead: boolean;
}

/**
 * The work of every authenticating guard, however it identifies the caller: it lets `@AllowAnonymous()` routes pass, leaves
 * the principal on the request for `@CurrentPrincipal()` and `@CurrentUser()`, and enforces `@RequireScopes()`. For guards of
 * your own, in every context.
 *
 * @param identify finds the principal of the request; it is not called on `@AllowAnonymous()` routes. Undefined means a
 * request without a credential
 * @param find finds the request of the call. @default for HTTP, GraphQL, WebSockets and microservices, the request of the call or an
 * object that stands for it
 * @returns true
 * @throws HttpException 401, 403 and the like, with body and headers of RFC 6750, for each `SigraError`. On WebSockets a
 * `WsException` and in microservices an `RpcException`, with the same body
 *
 * @example
 * canActivate(context: ExecutionContext) {
 *   return admit(context, { realm: 'api', writeImpliesRead: false }, (request) => this.byClientCertificate(request));
 * }
 */
export async function admit(
  context: ExecutionContext,
  settings: AdmissionSettings,
  identify: (request: HttpRequest) => Principal | undefined | Promise<Principal | undefined>,
  find: RequestFinder = requestOf,
): Promise<boolean> {
  const { writeImpliesRead } = settings;
  const rules = routeRules(context);
  if (rules.access === 'anonymous') return true;
  try {
    const request = find(context);
    if (context.getType() !== 'http') keepRequest(context, request);
    const principal = await identify(request);
    if (!principal && rules.access === 'required') throw unauthorized();
    request.sigra = principal && withImpliedRead(principal, writeImpliesRead);
    request.user = principal?.user;
    assertScopes(principal, rules.requirements, writeImpliesRead);
    return true;
  } catch (error) {
    return refuseCall(error, settings, context);
  }
}
