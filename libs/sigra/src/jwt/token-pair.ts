/** The scheme of the `Authorization` header that an access token is sent with. */
export type TokenType = 'Bearer' | 'DPoP';

/** An access token without a refresh token: the token response of RFC 6749 section 4.4.3. */
export interface AccessTokenGrant {
  /** A JWT (RFC 9068). */
  readonly accessToken: string;
  /** The token type of RFC 6750, or of RFC 9449 for a token that is bound to a key. */
  readonly tokenType: TokenType;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  /** The scopes of the access token, separated by spaces. */
  readonly scope: string;
}

/** An access token and a refresh token: the token response of RFC 6749 section 5.1. */
export interface TokenPair extends AccessTokenGrant {
  /** An opaque token, for one refresh. */
  readonly refreshToken: string;
}

/** Makes a token pair. */
export function tokenPair(
  { accessToken, expiresIn, tokenType }: Omit<AccessTokenGrant, 'scope'>,
  refreshToken: string,
  scopes: readonly string[],
): TokenPair {
  return { accessToken, expiresIn, refreshToken, tokenType, scope: scopes.join(' ') };
}
