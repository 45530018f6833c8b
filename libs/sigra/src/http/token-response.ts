import type { TokenPair } from '../jwt/token-pair.js';

/** The token response of RFC 6749 section 5.1: a `TokenPair` as it goes over the wire. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly refresh_token: string;
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
