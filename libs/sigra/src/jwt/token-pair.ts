/** An access token without a refresh token: the token response of RFC 6749 section 4.4.3. */
export interface AccessTokenGrant {
  /** A JWT (RFC 9068). */
  readonly accessToken: string;
  /** The token type of RFC 6750. */
  readonly tokenType: 'Bearer';
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
  { accessToken, expiresIn }: { readonly accessToken: string; readonly expiresIn: number },
  refreshToken: string,
  scopes: readonly string[],
): TokenPair {
  return { accessToken, expiresIn, refreshToken, tokenType: 'Bearer', scope: scopes.join(' ') };
}
