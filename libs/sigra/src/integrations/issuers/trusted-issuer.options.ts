/**
 * Signature algorithms of other issuers: asymmetric ones, because what verifies must not be able to sign (RFC 7518 section
 * 3.1).
 */
export type ForeignAlgorithm =
  'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA';

/** The verified claims of a token of another issuer. Times are seconds since 1970. */
export interface ForeignClaims {
  /** The issuer. */
  readonly iss: string;
  /** The token is rejected from this time on. */
  readonly exp: number;
  /** When the token was issued. */
  readonly iat: number;
  /** Whom the issuer knows by this name. It is unique for one issuer only. */
  readonly sub?: string;
  /** Scopes, separated by spaces (RFC 8693 section 4.2). */
  readonly scope?: string;
  /** The other claims, which are not checked. */
  readonly [claim: string]: unknown;
}

/** The id of a user of the application. */
export type ForeignOwnerId = string | number | bigint | null | undefined;

/** Another issuer whose JWTs are accepted. */
export interface TrustedIssuerOptions {
  /** The `iss` claim of its tokens, exactly: `https://tenant.eu.auth0.com/` ends with a slash. */
  issuer: string;
  /** The API for which tokens are issued. One of several has to be in the claim. */
  audience: string | readonly string[];
  /**
   * The claim that names the audience. Access tokens of Amazon Cognito have no `aud`, but the client in `client_id`.
   * @default 'aud'
   */
  audienceClaim?: string;
  /** The algorithms that its tokens can have; the token does not choose. @default ['RS256'] */
  algorithms?: readonly ForeignAlgorithm[];
  /** Whether keys and metadata are read over plain HTTP from hosts other than this one. @default false */
  allowInsecure?: boolean;
  /** The URL of its keys (RFC 7517 section 5). @default the `jwks_uri` of its metadata */
  jwksUri?: string;
  /**
   * Where its metadata is: `openid` (OpenID Connect Discovery section 4), `oauth` (RFC 8414 section 3), or a URL. Not beside
   * `jwksUri`. @default 'openid'
   */
  discovery?: 'openid' | 'oauth' | (string & {});
  /**
   * Longest time that keys count when the issuer does not answer, in seconds; a day by default. While it answers, they are read
   * again every ten minutes. @default 86_400
   */
  keysMaxAge?: number;
  /**
   * The types of tokens, in the header `typ` (RFC 7515 section 4.1.9). A token without a type counts as `JWT`.
   * @default ['at+jwt', 'JWT']
   */
  types?: readonly string[];
  /**
   * Whether tokens with claims of an ID token or a logout token are accepted: `nonce`, `at_hash`, `c_hash`, `s_hash`, `events`.
   * @default false
   */
  idTokens?: boolean;
  /** Allowed clock difference, in seconds, for `exp`, `nbf` and `iat`. @default 5 */
  clockTolerance?: number;
  /**
   * Whether a token is for this API, by its claims. If it does not return exactly `true`, the token is refused.
   *
   * @default every token is
   */
  accepts?: (claims: ForeignClaims) => boolean;
  /**
   * The id of the user whose token it is. Every request calls it, within `lookupTimeout`. Without an id, the token is refused. An
   * error that it throws reaches the caller.
   */
  owner: (claims: ForeignClaims) => ForeignOwnerId | Promise<ForeignOwnerId>;
  /**
   * The scopes that a token grants. Those that are not registered are ignored.
   * @default those in the claim `scope`, without wildcards
   */
  scopes?: (claims: ForeignClaims) => readonly string[];
}
