import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { scopesOf } from '../jwt/access-token-claims.js';
import { AccessTokenVerifier } from '../jwt/access-token.verifier.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import type { RequestOrigin } from '../tokens/verify-failure.recorder.js';

/** Turns a bearer credential into a principal. Its shape alone tells which kind it is. */
@Injectable()
export class BearerAuthenticator {
  constructor(
    private readonly apiTokens: ApiTokenVerifier,
    private readonly accessTokens: AccessTokenVerifier,
  ) {}

  /** @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `epoch_mismatch`, `unavailable` */
  authenticate(credential: string, origin: RequestOrigin): Promise<Principal> {
    if (this.apiTokens.claims(credential)) return this.byApiToken(credential, origin);
    if (this.accessTokens.claims(credential)) return this.byAccessToken(credential);
    return Promise.reject(refuse('invalid_token', 'The credential is of no kind that this API issues.'));
  }

  private async byApiToken(credential: string, origin: RequestOrigin): Promise<Principal> {
    const { token, user } = await this.apiTokens.verify(credential, origin);
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
}
