import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { readAuthorization } from './bearer-credential.js';
import { BearerAuthenticator } from './bearer.authenticator.js';
import { HttpOrigin, type HttpRequest } from './http-exchange.js';
import { SessionAuthenticator } from './session.authenticator.js';

/** Which credentials a route takes. */
export interface AcceptedCredentials {
  readonly bearer: boolean;
  readonly session: boolean;
}

/**
 * Finds out who makes a request. An `Authorization` header decides alone: a bad one is refused beside the best session,
 * and the two are never merged. Without it, the session counts.
 */
@Injectable()
export class Authenticator {
  constructor(
    private readonly bearer: BearerAuthenticator,
    private readonly session: SessionAuthenticator,
  ) {}

  /**
   * @returns nothing when the request has no credential that the route takes
   * @throws SigraError `invalid_request`, `invalid_token`, `token_revoked`, `token_expired`, `cross_origin`, `unavailable`
   */
  authenticate(
    request: HttpRequest,
    accepted: AcceptedCredentials,
  ): Principal | undefined | Promise<Principal | undefined> {
    const authorization = readAuthorization(request);
    switch (authorization.kind) {
      case 'absent':
        return accepted.session ? this.session.authenticate(request) : undefined;
      case 'bearer':
        return accepted.bearer
          ? this.bearer.authenticate(authorization.credential, new HttpOrigin(request))
          : undefined;
      case 'foreign':
        return undefined;
    }
  }
}
