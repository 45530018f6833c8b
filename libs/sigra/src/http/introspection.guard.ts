import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Authenticator } from '../auth/authenticator.js';
import { requestOf } from '../auth/call-request.js';
import { countWait, type HttpRequest } from '../auth/http-exchange.js';
import { assertOwner } from '../auth/owner-requirement.js';
import { bearerChallenge, throwRefusal } from '../auth/http-refusal.js';
import type { AnyPrincipal } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { assertScopes } from '../scopes/assert-scopes.js';
import { assertHoldsResource } from '../scopes/resource-requirement.js';
import { OAuthClientAuthenticator } from './oauth-client.authenticator.js';
import { invalidClient } from './oauth-error.js';
import { parseOAuthParameters } from './oauth-request.js';

const BEARER_ONLY = { bearer: true, session: false };
const REQUIREMENTS = [{ match: 'all', scopes: ['oauth:introspect'] }] as const;

/**
 * Accepts OAuth clients and bearer credentials with the scope `oauth:introspect` (RFC 7662 section 2.1). The route is
 * `@AllowAnonymous()` for the guards of the application, which know no clients.
 */
@Injectable()
export class IntrospectionGuard implements CanActivate {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clients: OAuthClientAuthenticator,
    private readonly authenticator: Authenticator,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = requestOf(context);
    countWait(request);
    try {
      const principal = await this.identify(request);
      assertScopes(principal, REQUIREMENTS, this.config.apiTokens.rules);
      assertHoldsResource(principal.resources, undefined);
      return true;
    } catch (error) {
      throwRefusal(error, this.config, context);
    }
  }

  private async identify(request: HttpRequest): Promise<AnyPrincipal> {
    const principal =
      (await this.clients.authenticate(request, parseOAuthParameters(request.body), 'counts')) ??
      (await this.authenticator.authenticate(request, BEARER_ONLY));
    assertOwner(principal, undefined, this.config.users.type);
    if (principal) return principal;
    throw invalidClient(
      'This request needs a client or a bearer credential.',
      `${bearerChallenge(this.config)}, ${this.clients.challenge}`,
    );
  }
}
