import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import { SigraError } from '../../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../../config/sigra-config.js';
import { assertScopes, unauthorized } from '../assert-scopes.js';
import { type AcceptedCredentials, Authenticator } from '../authenticator.js';
import { requestOf, responseOf } from '../http-exchange.js';
import { toHttpRefusal } from '../http-refusal.js';
import { type RouteRules, routeRules } from '../route-rules.js';

/**
 * What the three authenticating guards share: find the caller, leave it on the request, and hold it to the route's
 * scopes. Scopes are checked here as well as in `ScopeGuard`, so that `@RequireScopes()` cannot be forgotten by leaving
 * a second guard out.
 */
@Injectable()
export abstract class CredentialGuard implements CanActivate {
  protected abstract readonly accepted: AcceptedCredentials;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const rules = routeRules(context);
    if (rules.access === 'anonymous') return true;
    try {
      const principal = await this.identify(context, rules);
      assertScopes(principal, rules.requirements, this.config.apiTokens.writeImpliesRead);
      return true;
    } catch (error) {
      if (!(error instanceof SigraError)) throw error;
      throw toHttpRefusal(error, this.config.realm).applyHeaders(responseOf(context));
    }
  }

  private async identify(context: ExecutionContext, rules: RouteRules): Promise<Principal | undefined> {
    const request = requestOf(context);
    const principal = await this.authenticator.authenticate(request, this.accepted);
    if (!principal && rules.access === 'required') throw unauthorized();
    request.sigra = principal;
    request.user = principal?.user;
    return principal;
  }
}
