import type { KeyObject } from 'node:crypto';
import type { Type } from '@nestjs/common';
import type { Owner, Principal, PrincipalOwner } from '../common/principal.js';

/**
 * Finds users that are not TypeORM entities of the same DataSource.
 *
 * @typeParam User the user type of the host
 */
export interface UserProvider<User extends object = object> {
  /**
   * Finds users by id, in any order, without the users that do not exist. Requests of one event-loop turn share the
   * call, and requests of one user share the returned object, so nothing must change it. A call that takes longer than
   * `lookupTimeout` is abandoned.
   *
   * @param ids at most 512 distinct ids, as strings
   */
  findByIds(ids: readonly string[]): Promise<readonly User[]>;
}

interface UserRules<User extends object> extends OwnerRules<User> {
  /**
   * The type of these owners, stored with each credential. Two modules on the same tables with different users need
   * different types, or the application does not boot. Do not change it later: it ends all credentials.
   * @default 'user'
   */
  type?: string;
}

interface OwnerRules<User extends object> {
  /** The property that holds the id of the user. No two users can have the same. @default 'id' */
  id?: keyof User & string;
  /**
   * Whether the user can authenticate. Every request calls it. If it does not return exactly `true`, every credential
   * of the user is refused. @default every user is active
   */
  isActive?: (user: User) => boolean;
  /**
   * The scopes that a user can have at most, such as the permissions of its role: an array of at most 256. Every request calls
   * it. It limits sessions, new credentials, and what existing credentials still grant. Not with `jwt.check: 'stateless'`, which
   * reads no user. @default no limit
   */
  scopes?: (user: User) => readonly string[];
}

/** Users in a table of the same DataSource, as TypeORM's `findOne()` returns them. */
export interface UserEntityOptions<User extends object> extends UserRules<User> {
  /** An entity of the DataSource. Its id is a unique uuid, integer or text column. */
  entity: Type<User>;
  provider?: never;
}

/** Users that the host finds: an instance of `UserProvider`, or a class that is a provider of the application. */
export interface UserProviderOptions<User extends object> extends UserRules<User> {
  /** Finds the users of one event-loop turn with one call, up to 512 users at a time. */
  provider: Type<UserProvider<User>> | UserProvider<User>;
  entity?: never;
}

/** The users who own credentials: exactly one of `entity` and `provider`. */
export type UsersOptions<User extends object> = UserEntityOptions<User> | UserProviderOptions<User>;

/**
 * Owners besides users, such as organizations and service accounts: exactly one of `entity` and `provider`. The rules are those
 * of `users`.
 */
export interface OwnersOptions {
  /** An entity of the DataSource. Its id is a unique uuid, integer or text column. */
  entity?: Type<object>;
  /** Finds the owners of one event-loop turn with one call, up to 512 at a time. */
  provider?: Type<UserProvider> | UserProvider;
  /** The property that holds the id of the owner. No two owners of the type can have the same. @default 'id' */
  id?: string;
  /**
   * Whether the owner can authenticate. Every request calls it. If it does not return exactly `true`, every credential
   * of the owner is refused. @default every owner is active
   */
  // Never: the parameter can have the type of the entity.
  isActive?: (owner: never) => boolean;
  /** The scopes that an owner can have at most, as `users.scopes`. @default no limit */
  scopes?: (owner: never) => readonly string[];
}

/** A scope of the application, with its texts for people. */
export interface ScopeOptions {
  /** The scope, such as `read:projects`. */
  name: string;
  /** A short text for people, such as `Read projects`: 1 to 255 characters. @default none */
  title?: string;
  /** What the scope allows, for people: 1 to 1,000 characters. @default none */
  description?: string;
  /** Scopes that this scope grants as well, together with those that they imply. @default [] */
  implies?: readonly string[];
  /** The heading under which a form shows the scope: 1 to 255 characters. @default none */
  group?: string;
  /** Whether a form should warn before it grants the scope. @default false */
  danger?: boolean;
}

/** A kind of API tokens, such as live, test and CI tokens. */
export interface ApiTokenKindOptions {
  /** The start of every raw token of the kind, by which tokens are told apart. As `apiTokens.prefix`. */
  prefix: string;
  /** Earlier prefixes, whose tokens are accepted as tokens of this kind. @default [] */
  acceptPrefixes?: readonly string[];
  /**
   * The scopes that tokens of the kind can have at most: scopes that are registered, or wildcards that cover some. Tokens
   * that have others lose them while the kind has this list. @default no limit
   */
  scopes?: readonly string[];
  /** As `apiTokens.requireExpiry`, for the kind. @default that of `apiTokens` */
  requireExpiry?: boolean;
  /** As `apiTokens.maxTtl`, for the kind, in seconds. @default that of `apiTokens` */
  maxTtl?: number;
  /** As `apiTokens.defaultTtl`, for the kind, in seconds, at most its `maxTtl`. @default that of `apiTokens` */
  defaultTtl?: number;
  /** As `apiTokens.idleTtl`, for the kind, in seconds. @default that of `apiTokens` */
  idleTtl?: number;
  /**
   * The types of the owners that can get tokens of the kind: `user`, or that of `users.type`, and types of `owners`. Tokens that exist stay
   * valid, and cannot be rotated. @default all
   */
  ownerTypes?: readonly string[];
}

/** The token that a notice is about. It contains neither the raw token nor its hash. */
export interface NoticedApiToken {
  readonly id: string;
  readonly ownerType: string;
  readonly ownerId: string;
  readonly name: string;
  readonly description: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  /** The first characters after the prefix. */
  readonly hint: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** Why an owner is told about a token. */
export interface TokenNotice<User extends object = object> {
  /** The threshold that the token has passed, in days. */
  readonly days: number;
  /** The user who owns the token, and is active. Undefined for a token of another owner. */
  readonly user: User | undefined;
  /** The active owner of the token, as `owner` of a principal: a user, or another one of the option `owners`. */
  readonly owner: PrincipalOwner;
}

/** Notices about API tokens of all types of owners, sent in the background within about an hour. */
export interface TokenNoticeOptions<User extends object = object> {
  /** The thresholds, in days: 1 to 16 different ones. */
  days: readonly number[];
  /**
   * Tells the owner, such as by mail. It is called once for each token and threshold, on one of the nodes, and again when it
   * has rejected, has taken longer than 30 seconds, or the process was killed before it ended. A token that has passed
   * several thresholds in the meantime is told about the nearest one only.
   */
  notify: (token: NoticedApiToken, notice: TokenNotice<User>) => Promise<void> | void;
}

/** The raw tokens of another system, whose hashes were imported with `ApiTokenService.importHashed`. */
export interface ForeignFormatOptions {
  /**
   * Matches the whole raw token. Its group `secret`, if it has one, is the part that the other system hashes. A string of more than
   * 512 characters, or one that begins like a JWT, is not matched.
   */
  pattern: RegExp;
  /**
   * How the other system hashes the secret: SHA-256 or SHA-512 of its UTF-8, or a function, which gets the same bytes for the same
   * secret. Two calls of a function run at a time; when 64 are waiting, further tokens are refused with `unavailable`.
   */
  digest: 'sha256' | 'sha512' | ((secret: string) => Uint8Array | Promise<Uint8Array>);
  /**
   * Whether the first use of a token stores SHA-256 of its secret beside the hash that was imported, so that a slow `digest` is
   * computed for later uses no more. Only for a `digest` that is a function, and for random secrets. @default false
   */
  rehash?: boolean;
  /** The kind that the tokens belong to: required with `apiTokens.kinds`. @default none */
  kind?: string;
  /** A scheme of the header `Authorization` that clients use for these tokens, besides Bearer. @default none */
  scheme?: string;
}

/** API tokens. */
export interface ApiTokenOptions<User extends object = object> {
  /**
   * The kinds of tokens, by name. They take the place of `prefix` and `acceptPrefixes`. A prefix that no kind has any more
   * ends its tokens.
   * @default one kind without a name
   */
  kinds?: Readonly<Record<string, ApiTokenKindOptions>>;
  /**
   * The start of every raw token. It must not begin like a JWT, nor be `sigra_rt_`, the prefix of refresh tokens. A new
   * prefix ends all tokens with the old one, unless `acceptPrefixes` has that. @default 'sigra_sk_'
   */
  prefix?: string;
  /**
   * Earlier prefixes, whose tokens are still accepted. None of the prefixes begins with another one.
   * @default []
   */
  acceptPrefixes?: readonly string[];
  /**
   * The raw tokens of other systems that are accepted, by the name of their format. The rows of imported tokens belong to that name.
   * @default none
   */
  foreignFormats?: Readonly<Record<string, ForeignFormatOptions>>;
  /**
   * The scopes of the application, besides the built-in ones: by name, such as `read:projects`, or with texts for people and the
   * scopes that they imply. @default []
   */
  scopes?: readonly (string | ScopeOptions)[];
  /** Whether `write:projects` also grants `read:projects`. @default false */
  writeImpliesRead?: boolean;
  /**
   * Checks the metadata of a token before it is stored, as the `parse` of a schema does. It returns what is stored; when it
   * throws, the request is refused with `invalid_metadata`. @default every JSON object is accepted
   */
  parseMetadata?: (metadata: Readonly<Record<string, unknown>>) => unknown;
  /**
   * Lifetime of a token that is created without `expiresAt`, in seconds, at most `maxTtl`. A token that never expires is
   * then created with `expiresAt: null`, where the other options allow it. @default no expiry
   */
  defaultTtl?: number;
  /** Whether a token without `expiresAt` is refused with `expiry_required`. @default false */
  requireExpiry?: boolean;
  /**
   * Longest lifetime of a token, in seconds. Every token then needs `expiresAt`; a later one is refused with
   * `ttl_exceeded`. @default no limit
   */
  maxTtl?: number;
  /**
   * Whether `requireExpiry` and `maxTtl` also apply to tokens that were created before they were set: a token that lives
   * longer than `maxTtl` expires then, and with `requireExpiry` alone, a token without an expiry is expired. The credentials
   * that such a token made expire with it.
   * @default false
   */
  enforceOnExisting?: boolean;
  /** Most active tokens of one owner. A further one is refused with `too_many_tokens`. @default 1000 */
  maxActivePerOwner?: number;
  /** Shortest time between two updates of `last_used_at` of one token, in seconds; 0 records every use. @default 300 */
  activityUpdateThreshold?: number;
  /** The counts of requests with each token. @default not counted */
  usage?: UsageOptions;
  /**
   * How long a token can be unused, in seconds: then it is refused with `token_expired`. It counts from the recorded last
   * use, or from the creation, so it is longer than `activityUpdateThreshold` plus 2. @default no limit
   */
  idleTtl?: number;
  /** Notices that a token will expire, so many days before, also by `enforceOnExisting`, but not by `idleTtl`. @default none */
  onExpiring?: TokenNoticeOptions<User>;
  /** Notices that a token has not been used, so many days after its last use or its creation. @default none */
  onUnused?: TokenNoticeOptions<User>;
  /** Largest page that a caller can request, in tokens. A larger one is refused with `invalid_limit`. @default 200 */
  maxPageSize?: number;
  /** Tokens per page when the caller sets no limit. A smaller `maxPageSize` also lowers the default. @default 50 */
  defaultPageSize?: number;
}

/** Counts of the requests with each API token, by day. */
export interface UsageOptions {
  /**
   * Whether requests are counted. They are written once a minute; a process that is killed loses the last minute.
   *
   * @default false
   */
  enabled?: boolean;
  /** Age at which clean-up deletes the count of a day, in seconds; 90 days by default. @default 7_776_000 */
  retention?: number;
}

/** Signature algorithms of JWTs (RFC 7518 section 3.1, RFC 8037 section 3.1). */
export type JwtAlgorithm = 'HS256' | 'RS256' | 'RS512' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA';

/**
 * Signs with a private key that the application does not have, such as one in a key management service.
 *
 * @param input the bytes to sign, of up to 8 KB; not their hash
 * @returns the signature; of an elliptic curve, in the form of JWS or in DER
 */
export type JwtSigner = (input: Buffer) => Promise<Uint8Array>;

/** How a JWT is checked against the database; see `JwtOptions.check`. */
export type JwtCheck = 'stateless' | 'epoch' | 'family';

/**
 * A signing key with its `kid`: a secret of at least 32 bytes (HS256), an RSA key of at least 2048 bits (RS256, RS512, PS256), a
 * P-256 key (ES256), a P-384 key (ES384) or an Ed25519 key (EdDSA). A key with only its public part verifies the tokens that it
 * signed before. PEM can have `\n` instead of line breaks, or be base64, as in environment variables.
 */
export type JwtKeyOptions = {
  /** The `kid` of RFC 7515 section 4.1.4, in token headers and in the JWKS. Each key has its own. */
  kid: string;
  /**
   * Whether the key signs new tokens. Exactly one key signs. Beside `publicKey`, a function that signs with the private key,
   * within `lookupTimeout`. @default `true` for the only key that can sign
   */
  sign?: boolean | JwtSigner;
  /** The algorithm of the key. An RSA key can have one of three. @default that of the key; RS256 for RSA */
  algorithm?: JwtAlgorithm;
} & (
  | {
      /** An HS256 secret. */
      secret: string | Buffer;
      privateKey?: never;
      publicKey?: never;
    }
  | {
      /** An RSA key of at least 2048 bits, or a P-256, P-384 or Ed25519 key. */
      privateKey: string | Buffer | KeyObject;
      secret?: never;
      publicKey?: never;
    }
  | {
      /** The public part of such a key, which only verifies. A private key is refused here. */
      publicKey: string | Buffer | KeyObject;
      secret?: never;
      privateKey?: never;
    }
);

/**
 * Signature algorithms of DPoP proofs (RFC 9449 section 4.3): asymmetric ones. `Ed25519` is another name of `EdDSA` (RFC
 * 9864).
 */
export type DpopAlgorithm = Exclude<JwtAlgorithm, 'HS256'> | 'Ed25519';

/** Whether access tokens are bound to keys of clients; see `DpopOptions.mode`. */
export type DpopMode = 'off' | 'optional' | 'required';

/** Tokens that only the holder of a key can use (RFC 9449). */
export interface DpopOptions {
  /**
   * Whether access and refresh tokens are bound to a key of the client. `off` refuses tokens that are bound. `optional`
   * binds those of clients that send a proof. `required` issues and accepts only JWTs that are bound; API tokens are not
   * concerned.
   * @default 'off'
   */
  mode?: DpopMode;
  /**
   * Where clients reach the root of the application, such as `https://myapp.example`: a proof has to name a URL that begins
   * with one of them. An empty list stands for `metadata.baseUrl` or else the origin of `jwt.issuer`. @default []
   */
  baseUrls?: readonly string[];
  /**
   * The signature algorithms of proofs that are accepted.
   * @default ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256', 'RS512']
   */
  algorithms?: readonly DpopAlgorithm[];
  /** How long a proof is accepted after its `iat`, in seconds, besides `jwt.clockTolerance`. @default 60 */
  proofTtl?: number;
}

/** JWTs (RFC 9068) and their refresh tokens. */
export interface JwtOptions<User extends object = object> {
  /**
   * Whether JWTs are enabled. Otherwise `SigraJwtService` rejects with `jwt_disabled`, and every JWT is refused.
   * @default false
   */
  enabled?: boolean;
  /** The `iss` claim of access tokens (RFC 7519 section 4.1.1), such as `https://myapp.example`. */
  issuer?: string;
  /** The `aud` claim of access tokens (RFC 7519 section 4.1.3): the API that accepts them. @default 'api' */
  audience?: string;
  /** The `client_id` claim of access tokens (RFC 9068 section 2.2). @default the audience */
  clientId?: string;
  /** Lifetime of an access token, in seconds. @default 900 */
  accessTtl?: number;
  /** Longest time that a refresh token can stay unused, in seconds; 30 days by default. @default 2_592_000 */
  refreshTtl?: number;
  /**
   * Lifetime of a refresh-token family, in seconds, at least `refreshTtl` and `accessTtl`; 90 days by default. A longer
   * `refreshTtl` also raises the default. @default 7_776_000
   */
  absoluteTtl?: number;
  /**
   * The only HS256 secret; give either this or `keys`. To replace it without ending its access tokens, move it into
   * `keys` with `sign: false` and the `kid` from the header of its tokens, and add the new secret there.
   */
  secret?: string;
  /** Several keys, for rotation, or for RS256 and ES256. Exactly one of them signs. */
  keys?: readonly JwtKeyOptions[];
  /** The expected algorithm of the signing key: a signing key for another one is refused. @default that of the key */
  algorithm?: JwtAlgorithm;
  /**
   * Most live refresh families of one owner. When a further one begins, the one that was refreshed longest ago is revoked.
   * @default 100
   */
  maxFamiliesPerOwner?: number;
  /**
   * Allowed clock difference between issuer and verifier, in seconds: an access token is accepted so long after its `exp`. Its
   * `iat` can be in the future (RFC 7519 section 4.1.6). @default 5
   */
  clockTolerance?: number;
  /**
   * Returns claims of the application for each new access token. They never replace a claim of Sigra. An error that it
   * throws reaches the caller, and no refresh token is consumed. @default none
   */
  claims?: (user: User) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /**
   * How an access token is checked against the database. `stateless` reads nothing: a token is valid until it expires.
   * `epoch` reads the user and the epoch, so that sign-out everywhere and deactivation take effect at once. `family`
   * also reads the family of the token, so that its revocation takes effect at once. @default 'epoch'
   */
  check?: JwtCheck;
  /**
   * Time in which a rotated refresh token can be presented again, in seconds. The answer is the token of the family that is
   * unused. It helps clients that lose answers or refresh in several tabs. @default 0
   */
  reuseLeeway?: number;
  /** Tokens that only the holder of a key can use (RFC 9449). @default off */
  dpop?: DpopOptions;
}

/** A valid JWT of another issuer, as the application reads it. */
export interface ForeignToken {
  /** The id of the user whose token it is, as a string. */
  readonly ownerId: string;
  /** The scopes that the token grants. Those that the application does not have are ignored. */
  readonly scopes: readonly string[];
  /** The claims of the token. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** The earliest time at which the token can have been issued. */
  readonly issuedAt: Date;
  /** The end of the token. */
  readonly endsAt: Date;
}

/** The issuers whose JWTs the application accepts beside its own. `trustIssuers()` of `nestjs-sigra/issuers` makes it. */
export interface TrustedIssuers {
  /** The `iss` claim of each issuer. */
  readonly issuers: ReadonlySet<string>;
  /**
   * Verifies a JWT of one issuer, and finds its owner.
   *
   * @param issuer one of `issuers`, which the JWT names
   * @param within.now the time that counts
   * @param within.timeout the longest time that it can take, in milliseconds
   * @throws SigraError `invalid_token`, `token_expired`; `unavailable` when the issuer does not answer
   */
  verify(jwt: string, issuer: string, within: { readonly now: Date; readonly timeout: number }): Promise<ForeignToken>;
}

/** Where clients send their credentials. */
export interface CredentialOptions {
  /**
   * The headers that can hold a credential, in any case. `authorization` is always one of them: it has the scheme `Bearer`
   * and an API token or a JWT. Each other one, such as `x-api-key`, has a bare API token. Two different credentials in one
   * request are refused with `invalid_request`. @default ['authorization']
   */
  headers?: readonly string[];
  /**
   * Recognizes a credential of the application itself, such as a JWT of another issuer or a client certificate: returns
   * whose it is, and what it allows. It is called once for each call without an API token, before JWTs and sessions, and
   * again before the principal makes a credential. `undefined` leaves the request to Sigra; an error refuses it. Do not
   * return a user that the session has: that is `session.userId`. @default none
   */
  resolve?: (request: HostRequest) => HostCredential | null | undefined | Promise<HostCredential | null | undefined>;
}

/** A credential that the application has verified. */
export interface HostCredential {
  /** The id of the user, who is read as the owner of a token: without an active one, the credential is refused. */
  userId: string | number | bigint;
  /** What the credential allows, such as `['read:projects']`, or `['*']`. `users.scopes` limits it. */
  scopes: readonly string[];
  /**
   * The resources that the scopes are limited to, such as `['project:42', 'document:*']`; an empty array for none. @default all
   */
  resources?: readonly string[] | undefined;
  /**
   * What tells the credential apart from others of the user, such as the `jti` of a JWT, at most 512 characters. Cached
   * answers and idempotency keys belong to one credential. @default none: its answers are not cached, and idempotency keys
   * are refused
   */
  id?: string;
  /** The end of the credential. It is refused afterwards, and nothing that it makes lives longer. @default no end */
  expiresAt?: Date;
}

/** Browser sessions. Without this section, every session is refused. */
export interface SessionOptions {
  /**
   * Reads the id of the user from the request. It returns `undefined`, `null` or `''` when no user is signed in. On
   * Fastify, it receives the request of Fastify.
   */
  userId: (request: SessionRequest) => SessionUserId | Promise<SessionUserId>;
  /** The scopes of a session. By default, the user can do everything. @default ['*'] */
  scopes?: readonly string[];
  /**
   * Other origins, such as `https://app.example.com`, whose pages can send unsafe requests (POST, PUT, PATCH, DELETE)
   * with a session. By default, only the same origin can. @default []
   */
  trustedOrigins?: readonly string[];
}

/** The id of a user in a session; `undefined`, `null` or `''` when no user is signed in. */
export type SessionUserId = string | number | bigint | null | undefined;

/** The request of the framework, with the session that the middleware of the host adds to it. */
export interface SessionRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The session of `express-session` and similar middleware. */
  readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>>;
  /** The request of Node, on Fastify. */
  readonly raw?: { readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>> };
}

/** A request with what guards of the application have added to it. */
export interface HostRequest extends SessionRequest {
  /** The user that a guard in front of Sigra's has found, such as `AuthGuard('jwt')` of Passport. */
  readonly user?: unknown;
}

/** A key of a scanner that signs its reports. */
export interface LeakKeyOptions {
  /** The identifier in the header `Github-Public-Key-Identifier`. Each key has its own. */
  id: string;
  /** A public key of the curve P-256. */
  publicKey: string | KeyObject;
}

/** A place where a scanner found a token. */
export interface LeakPlace {
  /** The URL of the place, without the token, at most 2,048 characters; null when the scanner does not name one. */
  readonly url: string | null;
  /** The kind of the place, such as `commit` or `issue_comment`; null when the scanner does not name one. */
  readonly source: string | null;
}

/** What a scanner reports about one token. */
export interface LeakReport {
  /** The name of the regular expression that the scanner knows; null when it does not name one. */
  readonly type: string | null;
  /** The first ten places. */
  readonly places: readonly LeakPlace[];
}

/** A credential that was revoked because it leaked. */
export interface LeakedCredential {
  /** A family when a refresh token or an access token leaked. */
  readonly kind: 'api_token' | 'refresh_family';
  readonly id: string;
  /** `users.type`, or a type of `owners`. */
  readonly ownerType: string;
  readonly ownerId: string;
  /** The name of an API token; null for a family. */
  readonly name: string | null;
}

/** Reports of leaked credentials, which `controllers.leaks` receives. */
export interface LeakOptions {
  /**
   * Where the keys of the scanner are published, in the form of GitHub. They are read again every ten minutes, and count for
   * a day when they cannot be read. @default that of GitHub's secret scanning, unless `keys` has them
   */
  keysUrl?: string;
  /** The keys of the scanner. Nothing is read then. @default those of `keysUrl` */
  keys?: readonly LeakKeyOptions[];
  /**
   * How long after its rotation a reported API token still ends its successors, in seconds: a thief can have rotated it. 0
   * spares the successors of every token that was rotated before the report. @default 3600
   */
  rotatedWithin?: number;
  /**
   * Called after each credential that a report has ended, for example to write to its owner. Nothing waits for it, and its
   * errors are logged. @default nothing is called
   */
  onLeaked?: (credential: LeakedCredential, report: LeakReport) => unknown;
}

/**
 * Documents that tell OAuth clients where they find the endpoints (RFC 8414), and which authorization server the API accepts (RFC
 * 9728). They are served at the root of the host, with any global prefix.
 */
export interface MetadataOptions {
  /**
   * Where clients reach the root of the application, such as `https://myapp.example`. The endpoints of the metadata begin
   * with it.
   * @default the origin of `jwt.issuer`
   */
  baseUrl?: string;
  /**
   * The identifier of this API (RFC 9728 section 1.2), such as `https://myapp.example/mcp`. With it, its metadata is served, and
   * answers with 401 have `resource_metadata` in `WWW-Authenticate`. @default none
   */
  resource?: string;
  /** The issuers of the access tokens that this API accepts (RFC 9728 section 2). An empty list stands for `jwt.issuer` and
   * `trustedIssuers`. @default [] */
  authorizationServers?: readonly string[];
  /** The scopes that the metadata lists, which everybody can read. @default [] */
  scopes?: readonly string[];
}

/** Who administers the API tokens of all owners, with `ApiTokenAdminService` and `controllers.admin`. */
export interface AdminOptions<User extends object = object> {
  /**
   * Whether a principal is an administrator, besides its scope `api_tokens:admin`, which `*` of an ordinary session grants
   * as well. Each call asks it. If it does not return exactly `true`, the call is refused with `not_administrator`.
   */
  canAdminister: (principal: Principal<User>) => boolean | Promise<boolean>;
  /**
   * Whether the person has just been authenticated again, for the routes of `controllers.admin` that revoke. If it does not
   * return exactly `true`, the request is refused with `step_up_required`; it can also throw an `HttpException` of the
   * application.
   * @default not required
   */
  requireStepUp?: (principal: Principal<User>, request: HostRequest) => boolean | Promise<boolean>;
}

/** The audit trail. */
export interface AuditOptions {
  /** Whether events are written to `sigra_audit_events`, those of the host included. @default true */
  enabled?: boolean;
  /** Age at which clean-up deletes an event, in seconds. @default events are kept */
  retention?: number;
  /**
   * Age at which clean-up deletes rows of refused API tokens (`api.token_verify.failure`), in seconds; 400 days by default.
   * `3_155_760_000` keeps them for 100 years. @default 34_560_000
   */
  failureRetention?: number;
}

/** A change of Sigra that has committed, as its audit row describes it. */
export interface CommittedChange {
  /** The id of the audit row, unless `audit.enabled` is false. */
  readonly id: string;
  readonly action: string;
  readonly actorId: string | null;
  readonly actorType: string;
  readonly targetId: string | null;
  readonly targetType: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly occurredAt: Date;
}

/** A function of the application that is called after a change. Nothing waits for it, and an error of it is logged. */
export type ChangeHook = (change: CommittedChange) => unknown;

/**
 * Functions that are called after a change has committed, in the process that made it: once, or not at all when that process ends
 * or its connection is lost. The audit trail is the reliable feed: `AuditService.stream` continues at a cursor.
 */
export interface HooksOptions {
  /** After `api.token_create` and `api.token_rotate`. @default none */
  onTokenCreated?: ChangeHook;
  /** After `api.token_revoke`, also of a token that another one made, and `api.token_revoke_all`. @default none */
  onTokenRevoked?: ChangeHook;
  /** After `api.jwt_refresh_reuse`: a refresh token was presented again, and its family was revoked. @default none */
  onReuseDetected?: ChangeHook;
  /** After `api.lock_out`: all credentials of an owner were revoked. @default none */
  onLockedOut?: ChangeHook;
}

/** What a check of all handlers at boot does; see `SigraModuleOptions.routes`. */
export type RouteChecking = 'error' | 'warn' | 'off';

/** Clean-up of rows that no longer affect any answer. */
export interface CleanupOptions {
  /** When clean-up runs, in the time zone of the server; `false` turns the schedule off. @default '0 3 * * *' */
  schedule?: string | false;
  /** Rows that one transaction deletes. @default 1000 */
  batchSize?: number;
  /**
   * Whether clean-up deletes the credentials of owners that no longer exist, as `CredentialService.forget` does. With
   * `users.provider`, a user that the provider omits counts as deleted. Unless it is set, row-level security of the users' table
   * turns it off. @default `true` with `users.entity`, else `false`
   */
  forgetOwners?: boolean;
  /** Time that revoked tokens are kept, in seconds; 90 days by default. @default 7_776_000 */
  revokedRetention?: number;
}

/** Reads from streaming standbys of PostgreSQL, with a lease. All nodes have the same options, the command line included. */
export interface ReplicasOptions {
  /**
   * The standbys: `postgres://` URLs of the database of the DataSource. Their role has `pg_read_all_stats`, and can read the tables of
   * Sigra and of the users. One that is down is left until it answers. Without any, changes wait, and all reads use the primary.
   * @default []
   */
  urls?: readonly string[];
  /**
   * How old the knowledge about a standby can be that a read relies on, in milliseconds. Each change that ends or narrows
   * something resolves one hundredth more than this after its commit. @default 250
   */
  leaseMilliseconds?: number;
}

/** Options of `SigraModule.forRoot()`. Times are in seconds, except `lookupTimeout` and `leaseMilliseconds`. Only `users` is required. */
export interface SigraModuleOptions<User extends object = object> {
  /** The users who own credentials. */
  users: UsersOptions<User>;
  /**
   * Other owners of API tokens, by type: 1 to 32 characters of `a-z`, `0-9` and `_`, beginning with a letter, and not that of the
   * users. Handlers accept their tokens only with `@AllowOwners()`. @default none
   */
  owners?: Readonly<Record<string, OwnersOptions>>;
  /**
   * Whether a user can manage the API tokens of an owner of `owners` with `controllers.owners`. Only exactly `true` counts; an error
   * is an error of the request. @default no user can
   */
  canManage?: (principal: Principal<User>, owner: Owner) => boolean | Promise<boolean>;
  /** Prefix, scopes and lifetimes of API tokens. */
  apiTokens?: ApiTokenOptions<User>;
  /** JWTs and refresh tokens. @default not enabled */
  jwt?: JwtOptions<User>;
  /** Other issuers whose JWTs are accepted: `trustIssuers([...])` of `nestjs-sigra/issuers`. @default none */
  trustedIssuers?: TrustedIssuers;
  /** Where clients send their credentials. @default the `Authorization` header */
  credentials?: CredentialOptions;
  /** The browser sessions of the host. @default every session is refused */
  session?: SessionOptions;
  /** Reports of leaked credentials. @default those that GitHub signs, if `controllers.leaks` is mounted */
  leaks?: LeakOptions;
  /** Who administers the API tokens of all owners. @default no administrators */
  admin?: AdminOptions<User>;
  /**
   * The metadata of OAuth.
   *
   * @default that of the authorization server, if `controllers.oauth` is mounted and `jwt.issuer` is a URL
   */
  metadata?: MetadataOptions;
  /** The audit trail. @default enabled; events are kept, refusals of API tokens for 400 days */
  audit?: AuditOptions;
  /** Functions that are called after a change. @default none */
  hooks?: HooksOptions;
  /** The nightly clean-up. @default at 03:00 */
  cleanup?: CleanupOptions;
  /** The `realm` of `WWW-Authenticate` (RFC 6750 section 3). @default 'api' */
  realm?: string;
  /**
   * Longest time that a read or a whole change can take in the database, in milliseconds. After it, the call rejects
   * with `unavailable`: 503 over HTTP. @default 2000
   */
  lookupTimeout?: number;
  /**
   * Whether connections keep prepared statements for the reads of every request. Behind a connection pooler that cannot
   * keep them, Sigra stops using them. @default true
   */
  preparedStatements?: boolean;
  /** Streaming standbys that answer the reads of requests. @default none: no change waits, and all reads use the primary */
  replicas?: ReplicasOptions;
  /**
   * What happens at boot when handlers require scopes that no guard enforces, or that are not registered, have a guard that
   * does not run or decorators that contradict each other, or answer a principal behind a cache that others share: `error`
   * does not boot, `warn` logs them, `off` does not look. @default 'error'
   */
  routes?: RouteChecking;
}

/** The path of each ready-made controller. A controller without a path is not mounted. */
export interface ControllerPaths {
  /** Manages the API tokens of the caller; for example `api/tokens`. @default not mounted */
  tokens?: string;
  /**
   * Manages the API tokens of other owners under `:ownerType/:ownerId` of this path; for example `api/tokens/owners`. Needs
   * `canManage`. @default not mounted
   */
  owners?: string;
  /**
   * Searches and revokes the API tokens of all owners; for example `api/admin/tokens`. Needs `admin`.
   * @default not mounted
   */
  admin?: string;
  /** Lists the scopes that a token can have; for example `api/scopes`. @default not mounted */
  scopes?: string;
  /**
   * Issues an access token and a refresh token to the user of a session, and lists and ends the refresh families of the
   * caller; for example `api/jwt`. Needs `jwt.enabled`.
   * @default not mounted
   */
  jwt?: string;
  /**
   * Mounts `token`, `revoke` and `introspect` (RFC 6749, 7009, 7662); for example under `oauth`. Needs `jwt.enabled`.
   * @default not mounted
   */
  oauth?: string;
  /** Serves `jwks.json` (RFC 7517), usually under `.well-known`. Needs `jwt.enabled`. @default not mounted */
  jwks?: string;
  /** Receives the reports of GitHub's secret scanning, and revokes what has leaked; for example `leaks`. @default not mounted */
  leaks?: string;
}

/** Options that shape the module; in `forRootAsync()`, they stand beside `useFactory`. */
export interface SigraModuleExtras {
  /** Whether guards and services can be injected everywhere without another import of the module. @default true */
  isGlobal?: boolean;
  /** The name of the TypeORM DataSource with the tables of Sigra. It must be of type `postgres`. @default 'default' */
  dataSource?: string;
  /** The ready-made controllers. @default none */
  controllers?: ControllerPaths;
}
