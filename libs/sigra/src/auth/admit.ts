import type { ExecutionContext } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { assertScopes, unauthorized } from './assert-scopes.js';
import { type HttpRequest, requestOf, responseOf } from './http-exchange.js';
import { toHttpRefusal } from './http-refusal.js';
import { routeRules } from './route-rules.js';

/** What the application has settled for all its routes. */
export interface AdmissionSettings {
  /** The `realm` of `WWW-Authenticate` (RFC 6750 section 3). */
  readonly realm: string;
  /** Whether holding `write:projects` also grants `read:projects`. */
  readonly writeImpliesRead: boolean;
}

/**
 * What every authenticating guard does, whichever way it finds the caller: asks nobody on an `@AllowAnonymous()` route,
 * leaves the caller on the request for `@CurrentPrincipal()` and `@CurrentUser()`, and holds it to `@RequireScopes()`.
 * For guards of a host's own.
 *
 * @param identify finds the caller of the request, and is not called where nobody is asked; nothing means a request without
 * a credential
 * @returns true
 * @throws HttpException 401, 403 and the like, with body and headers of RFC 6750, for whatever `SigraError` is in the way
 *
 * @example
 * canActivate(context: ExecutionContext) {
 *   return admit(context, { realm: 'api', writeImpliesRead: false }, (request) => this.byClientCertificate(request));
 * }
 */
export async function admit(
  context: ExecutionContext,
  { realm, writeImpliesRead }: AdmissionSettings,
  identify: (request: HttpRequest) => Principal | undefined | Promise<Principal | undefined>,
): Promise<boolean> {
  const rules = routeRules(context);
  if (rules.access === 'anonymous') return true;
  try {
    const request = requestOf(context);
    const principal = await identify(request);
    if (!principal && rules.access === 'required') throw unauthorized();
    request.sigra = principal;
    request.user = principal?.user;
    assertScopes(principal, rules.requirements, writeImpliesRead);
    return true;
  } catch (error) {
    if (!(error instanceof SigraError)) throw error;
    throw toHttpRefusal(error, realm).applyHeaders(responseOf(context));
  }
}
