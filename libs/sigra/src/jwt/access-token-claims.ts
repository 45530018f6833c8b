/** The claims that Sigra sets: those of RFC 9068 section 2.2 and its own. Times are seconds since 1970. */
interface SetClaims {
  /** `jwt.issuer`. */
  readonly iss: string;
  /** The user's id. */
  readonly sub: string;
  /** `jwt.audience`, alone or in an array with others. */
  readonly aud: string | readonly string[];
  /** `jwt.clientId`; the id of the API token in a token that it got by `client_credentials`. */
  readonly client_id: string;
  /** When the token was issued. */
  readonly iat: number;
  /** The token is rejected from this time on. */
  readonly exp: number;
  /** The id of the token. */
  readonly jti: string;
  /** Scopes, separated by spaces (RFC 8693 section 4.2). */
  readonly scope?: string;
  /** `users.type`. Missing for `user`. */
  readonly owner_type?: string;
  /** The epoch of the family. Missing in tokens of other issuers, and then 0. */
  readonly epoch?: number;
  /** The id of the refresh family. */
  readonly sid?: string;
  /** The id of the API token that got the token by `client_credentials` (RFC 6749 section 4.4). Such a token has no `sid`. */
  readonly api_token_id?: string;
  /** The owner's token epoch in such a token. */
  readonly api_token_epoch?: number;
  /** The addresses that the token is accepted from (see `ApiToken.allowedIps`). Missing in a token that is accepted from all. */
  readonly allowed_ips?: readonly string[];
  /** The resources that the scopes are limited to (see `ApiToken.resources`). Missing in a token that holds all. */
  readonly allowed_resources?: readonly string[];
  /** The thumbprint of the key that the token is bound to (RFC 9449 section 6.1). Missing in a token that is not bound. */
  readonly cnf?: { readonly jkt: string };
}

/** The claims of an access token: those that Sigra sets, and those that `jwt.claims` adds. */
export type AccessTokenClaims = SetClaims & Readonly<Record<string, unknown>>;

/** Claims that `jwt.claims` cannot set, including those that Sigra omits. */
const RESERVED: Readonly<Record<keyof SetClaims | 'nbf', true>> = {
  iss: true,
  sub: true,
  aud: true,
  client_id: true,
  iat: true,
  nbf: true,
  exp: true,
  jti: true,
  scope: true,
  owner_type: true,
  epoch: true,
  sid: true,
  api_token_id: true,
  api_token_epoch: true,
  allowed_ips: true,
  allowed_resources: true,
  cnf: true,
};
export const RESERVED_CLAIMS: readonly string[] = Object.keys(RESERVED);

/** The scopes of the `scope` claim; empty when the claim is missing. */
export function scopesOf(claims: Pick<AccessTokenClaims, 'scope'>): readonly string[] {
  return claims.scope ? claims.scope.split(' ') : [];
}
