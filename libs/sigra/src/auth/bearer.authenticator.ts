import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import type { RequestOrigin } from '../tokens/verify-failure.recorder.js';

/** Turns a bearer credential into a principal. Its shape alone tells which kind it is. */
@Injectable()
export class BearerAuthenticator {
  constructor(private readonly apiTokens: ApiTokenVerifier) {}

  /** @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `unavailable` */
  async authenticate(credential: string, origin: RequestOrigin): Promise<Principal> {
    if (!this.apiTokens.claims(credential)) {
      throw new SigraError('invalid_token', 'The credential is of no kind that this API issues.');
    }
    const { token, user } = await this.apiTokens.verify(credential, origin);
    return { user, userId: token.userId, method: 'api_token', scopes: token.scopes, tokenId: token.id };
  }
}
