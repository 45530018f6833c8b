import type { AccessTokenGrant, TokenPair, TokenType } from '../jwt/token-pair.js';

/** An access token in the names of RFC 6749 section 5.1, without a refresh token. */
export interface AccessTokenResponse {
  readonly access_token: string;
  readonly token_type: TokenType;
  /** Lifetime of the access token, in seconds. */
  readonly expires_in: number;
  /** Separated by spaces. */
  readonly scope: string;
}

/** A `TokenPair` in the names of RFC 6749 section 5.1. */
export interface TokenResponse extends AccessTokenResponse {
  readonly refresh_token: string;
}

export function accessTokenResponse({
  accessToken,
  tokenType,
  expiresIn,
  scope,
}: AccessTokenGrant): AccessTokenResponse {
  return { access_token: accessToken, token_type: tokenType, expires_in: expiresIn, scope };
}

export function tokenResponse(pair: TokenPair): TokenResponse {
  const { scope, ...response } = accessTokenResponse(pair);
  return { ...response, refresh_token: pair.refreshToken, scope };
}
