import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { SessionRequest } from '../config/sigra-options.js';
import { scopesOf } from '../jwt/access-token-claims.js';
import { AccessTokenVerifier } from '../jwt/access-token.verifier.js';
import { UserDirectory } from '../persistence/user-directory.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { readAuthorization } from './authorization-header.js';
import { HttpCaller, type HttpRequest } from './http-exchange.js';
import { mayActWithCookie } from './same-origin.js';

/** Which credentials a route accepts. */
export interface AcceptedCredentials {
  readonly bearer: boolean;
  readonly session: boolean;
}

/**
 * Finds the principal of a request. An `Authorization` header decides alone: an invalid one is refused even beside a valid
 * session, and the two are never merged. Without the header, the session counts.
 */
@Injectable()
export class Authenticator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly apiTokens: ApiTokenVerifier,
    private readonly accessTokens: AccessTokenVerifier,
    private readonly users: UserDirectory,
  ) {}

  /**
   * @returns undefined for a request without a credential that the route accepts
   * @throws SigraError `invalid_request`, `invalid_token`, `token_revoked`, `token_expired`, `epoch_mismatch`, `cross_origin`,
   * `unavailable`
   */
  authenticate(
    request: HttpRequest,
    accepted: AcceptedCredentials,
  ): Principal | undefined | Promise<Principal | undefined> {
    const authorization = readAuthorization(request);
    switch (authorization.kind) {
      case 'absent':
        return accepted.session ? this.bySession(request) : undefined;
      case 'bearer':
        return accepted.bearer ? this.byBearer(authorization.credential, request) : undefined;
      case 'foreign':
        return undefined;
    }
  }

  /** The form of a bearer credential alone decides its kind. */
  private byBearer(credential: string, request: HttpRequest): Promise<Principal> {
    if (this.apiTokens.recognizes(credential)) return this.byApiToken(credential, request);
    if (this.accessTokens.recognizes(credential)) return this.byAccessToken(credential);
    throw refuse('invalid_token', 'The credential does not have the format of a token of this API.');
  }

  private async byApiToken(credential: string, request: HttpRequest): Promise<Principal> {
    const { token, user } = await this.apiTokens.verify(credential, new HttpCaller(request));
    return { user, userId: token.userId, method: 'api_token', scopes: token.scopes, tokenId: token.id };
  }

  private async byAccessToken(credential: string): Promise<Principal> {
    const { claims, user } = await this.accessTokens.verify(credential);
    const { sub: userId, sid: familyId } = claims;
    const scopes = scopesOf(claims);
    return familyId === undefined
      ? { user, userId, method: 'jwt', scopes }
      : { user, userId, method: 'jwt', scopes, familyId };
  }

  private async bySession(request: HttpRequest): Promise<Principal | undefined> {
    const { session } = this.config;
    const id = await session?.userId(request as unknown as SessionRequest);
    if (!session || id === undefined || id === null || id === '') return undefined;
    if (!mayActWithCookie(request, session.trustedOrigins)) {
      throw refuse('cross_origin', 'A session can change something only from the pages of this origin.');
    }
    const user = await this.users.findActive(String(id));
    return user && { user, userId: this.users.idOf(user), method: 'session', scopes: session.scopes };
  }
}
