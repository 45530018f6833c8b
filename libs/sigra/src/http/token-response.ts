import type { TokenPair } from '../jwt/token-pair.js';

/** A `TokenPair` in the names of RFC 6749 section 5.1. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Lifetime of the access token, in seconds. */
  readonly expires_in: number;
  readonly refresh_token: string;
  /** Separated by spaces. */
  readonly scope: string;
}

export function tokenResponse(pair: TokenPair): TokenResponse {
  return {
    access_token: pair.accessToken,
    token_type: pair.tokenType,
    expires_in: pair.expiresIn,
    refresh_token: pair.refreshToken,
    scope: pair.scope,
  };
}
