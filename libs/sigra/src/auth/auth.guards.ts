import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { keyHeadersOf } from '../config/credentials.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { withRules } from '../scopes/can.js';
import { admit, type AdmissionSettings, assertAllowed } from './admit.js';
import { EnforcesScopes } from './auth.decorators.js';
import { type AcceptedCredentials, Authenticator } from './authenticator.js';
import { refuseCall } from './call-refusal.js';
import { guardedCall, requestOf } from './call-request.js';
import { headerOf, type HttpRequest, IDEMPOTENCY_KEY } from './http-exchange.js';
import { routeRules } from './route-rules.js';

/**
 * The common part of the three authenticating guards. It checks scopes itself, so that a route with `@RequireScopes()` is
 * not open where `ScopeGuard` was forgotten.
 */
@Injectable()
@EnforcesScopes()
abstract class CredentialGuard implements CanActivate {
  protected abstract readonly accepted: AcceptedCredentials;
  private readonly settings: AdmissionSettings;
  private readonly keyHeaders: readonly string[];
  private readonly find = (context: ExecutionContext) => this.getRequest(context);

  constructor(
    @InjectSigraConfig() { realm, resourceMetadata, dpop, apiTokens, credentials, users }: SigraConfig,
    private readonly authenticator: Authenticator,
  ) {
    this.settings = { realm, resourceMetadata, dpop, rules: apiTokens.rules, usersType: users.type };
    this.keyHeaders = keyHeadersOf(credentials);
  }

  canActivate(context: ExecutionContext): Promise<boolean> {
    return admit(context, this.settings, (request) => this.identify(request, context), this.find);
  }

  /**
   * Finds the request of a call. Override it for contexts or places of a credential that Sigra does not know: return an
   * object with a `method` and the credential in `headers.authorization`. It is called once for each guard and call; the
   * decorators of parameters get what it returned.
   *
   * @throws SigraError which becomes the answer
   */
  protected getRequest(context: ExecutionContext): HttpRequest {
    return requestOf(context, this.keyHeaders);
  }

  private identify(request: HttpRequest, context: ExecutionContext) {
    const principal = this.authenticator.authenticate(request, this.accepted, guardedCall(context, request));
    const key = headerOf(request, IDEMPOTENCY_KEY);
    if (key === undefined || !this.accepted.bearer || !routeRules(context).repeatsRotation) return principal;
    return Promise.resolve(principal).catch((error: unknown) => this.authenticator.afterRotation(request, key, error));
  }
}

/**
 * Accepts bearer credentials and browser sessions, so that one controller serves scripts and pages. An `Authorization`
 * header decides alone; without it the session counts.
 */
@Injectable()
export class SigraAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: true, session: true };
}

/** Accepts bearer credentials only; it ignores sessions. */
@Injectable()
export class BearerAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: true, session: false };
}

/**
 * Accepts browser sessions only, for actions that a user must do in person. A request with an `Authorization` header is
 * refused.
 */
@Injectable()
export class SessionAuthGuard extends CredentialGuard {
  protected readonly accepted = { bearer: false, session: true };
}

/**
 * Enforces `@AllowOwners()`, `@RequireScopes()` and `@RequireKind()` for a principal that something else has authenticated, such as
 * `AuthGuard('bearer')`. Behind a guard of another library, `credentials.resolve` makes the principal from what that guard
 * has left on the request. The other guards of Sigra do all of this themselves.
 */
@Injectable()
@EnforcesScopes()
export class ScopeGuard implements CanActivate {
  private readonly keyHeaders: readonly string[];

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly authenticator: Authenticator,
  ) {
    this.keyHeaders = keyHeadersOf(config.credentials);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { apiTokens, users } = this.config;
    const { rules } = apiTokens;
    try {
      const route = routeRules(context);
      if (route.access === 'anonymous') return true;
      const request = requestOf(context, this.keyHeaders);
      if (!request.sigra) {
        const principal = await this.authenticator.authenticateHost(request, guardedCall(context, request));
        if (!principal) this.assertNoUser(request);
        request.sigra = principal && withRules(principal, rules);
      }
      await assertAllowed(request.sigra, route, rules, context, users.type);
      return true;
    } catch (error) {
      return refuseCall(error, this.config, context);
    }
  }

  /** A user who is signed in would get 401 for each request, and the application would look for the reason in the credential. */
  private assertNoUser(request: HttpRequest): void {
    if (isNullish(request.user) || this.config.credentials.resolve) return;
    throw new TypeError(
      'sigra: a guard in front of ScopeGuard has left request.user, which has no scopes: set credentials.resolve, which returns its id and scopes',
    );
  }
}

function isNullish(value: unknown): boolean {
  return value === undefined || value === null;
}
