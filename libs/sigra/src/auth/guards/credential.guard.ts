import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { InjectSigraConfig, type SigraConfig } from '../../config/sigra-config.js';
import { admit, type AdmissionSettings } from '../admit.js';
import { type AcceptedCredentials, Authenticator } from '../authenticator.js';
import type { HttpRequest } from '../http-exchange.js';

/**
 * What the three authenticating guards share: find the caller, leave it on the request, and hold it to the route's
 * scopes. Scopes are checked here as well as in `ScopeGuard`, so that `@RequireScopes()` cannot be forgotten by leaving
 * a second guard out.
 */
@Injectable()
export abstract class CredentialGuard implements CanActivate {
  protected abstract readonly accepted: AcceptedCredentials;
  private readonly settings: AdmissionSettings;
  private readonly identify = (request: HttpRequest) => this.authenticator.authenticate(request, this.accepted);

  constructor(
    @InjectSigraConfig() { realm, apiTokens }: SigraConfig,
    private readonly authenticator: Authenticator,
  ) {
    this.settings = { realm, writeImpliesRead: apiTokens.writeImpliesRead };
  }

  canActivate(context: ExecutionContext): Promise<boolean> {
    return admit(context, this.settings, this.identify);
  }
}
