/** The claims of an access token (RFC 9068 section 2.2), and the application's own. Times are seconds since 1970. */
export interface AccessTokenClaims {
  /** `jwt.issuer`. */
  readonly iss: string;
  /** The user's id. */
  readonly sub: string;
  /** `jwt.audience`, alone or among others. */
  readonly aud: string | readonly string[];
  /** `jwt.clientId`. */
  readonly client_id: string;
  readonly iat: number;
  /** It is refused from this second on. */
  readonly exp: number;
  /** The id of this one token. */
  readonly jti: string;
  /** Scopes, separated by spaces (RFC 8693 section 4.2). */
  readonly scope?: string;
  /** The epoch of the sign-in that the token belongs to. Absent in tokens of other issuers; then 0 counts. */
  readonly epoch?: number;
  /** The refresh family: the sign-in that the token belongs to. */
  readonly sid?: string;
  /** From `jwt.claims`. */
  readonly [claim: string]: unknown;
}

/** The scopes of a token; none without the claim. */
export function scopesOf(claims: Pick<AccessTokenClaims, 'scope'>): readonly string[] {
  return claims.scope ? claims.scope.split(' ') : [];
}
