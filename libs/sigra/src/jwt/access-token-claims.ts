/** The claims of an access token (RFC 9068 section 2.2), and the application's own. */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly jti: string;
  /** Scopes, separated by spaces. */
  readonly scope?: string;
  /** The epoch of the sign-in that the token belongs to. Absent in tokens of other issuers; then 0 counts. */
  readonly epoch?: number;
  /** The refresh family: the sign-in that the token belongs to. */
  readonly sid?: string;
  readonly [claim: string]: unknown;
}

/** The scopes of a token; none without the claim. */
export function scopesOf(claims: Pick<AccessTokenClaims, 'scope'>): readonly string[] {
  return claims.scope ? claims.scope.split(' ') : [];
}
