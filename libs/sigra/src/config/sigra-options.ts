import type { KeyObject } from 'node:crypto';
import type { Type } from '@nestjs/common';

/**
 * A host's own way to its users, for users that are no TypeORM entity of the same DataSource.
 *
 * @typeParam User the host's user type
 */
export interface UserProvider<User extends object = object> {
  /**
   * Finds users by id, in one go: requests of one event-loop turn share the call, which belongs to none of them, and those
   * of the same user share the object, which is to be read and not changed. Users that do not exist are left out; order does
   * not matter. A call that takes longer than `lookupTimeout` is given up.
   *
   * @param ids at most 512 distinct ids, as text
   */
  findByIds(ids: readonly string[]): Promise<readonly User[]>;
}

interface UserRules<User extends object> {
  /** The property that holds the user's id. @default 'id' */
  id?: keyof User & string;
  /**
   * Whether the user may authenticate at all. A user for whom it does not return exactly `true` is refused with every
   * credential. @default every existing user is active
   */
  isActive?: (user: User) => boolean;
}

/** Users that live in a table of the same DataSource. Read by its own columns: relations are not loaded. */
export interface UserEntityOptions<User extends object> extends UserRules<User> {
  /** An entity of the DataSource, with a uuid, integer or text id and without table inheritance. */
  entity: Type<User>;
  provider?: never;
}

/** Users that the host finds itself: an instance, or a class that is a provider of the application. */
export interface UserProviderOptions<User extends object> extends UserRules<User> {
  /** Asked once for the requests of one event-loop turn, up to 512 users at a time. */
  provider: Type<UserProvider<User>> | UserProvider<User>;
  entity?: never;
}

/** Whose tokens they are: exactly one of `entity` and `provider`. */
export type UsersOptions<User extends object> = UserEntityOptions<User> | UserProviderOptions<User>;

/** API tokens. */
export interface ApiTokenOptions {
  /**
   * What every raw token begins with: 1 to 32 characters of `a-z`, `0-9` and `_`, not beginning like a JWT, and not
   * `sigra_rt_`, which refresh tokens have. Changing it ends all tokens with the old one. @default 'sigra_sk_'
   */
  prefix?: string;
  /** The application's own scopes, such as `read:projects`, beside the built-in ones. @default [] */
  scopes?: readonly string[];
  /** Whether holding `write:projects` also grants `read:projects`. @default false */
  writeImpliesRead?: boolean;
  /** Whether every token must be created with `expiresAt`. @default false */
  requireExpiry?: boolean;
  /** The longest lifetime of a token, in seconds, from 1. Tokens then need an expiry. @default no limit */
  maxTtl?: number;
  /** `last_used_at` is written at most once per token in this many seconds, from 0, which notes every use. @default 300 */
  activityUpdateThreshold?: number;
  /** Tokens per page when the caller names no limit, 1 to `maxPageSize`. @default 50, or `maxPageSize` if that is less */
  defaultPageSize?: number;
  /** The largest page that a caller may ask for, in tokens, 1 to 10,000. @default 200 */
  maxPageSize?: number;
}

/** What a JWT is signed with (RFC 7518 section 3.1). */
export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256';

/** What of the database a JWT is held against; see `JwtOptions.check`. */
export type JwtCheck = 'stateless' | 'epoch' | 'family';

/**
 * A signing key under its `kid`: a shared secret of at least 32 bytes (HS256), or an RSA or P-256 key (RS256, ES256). A
 * key with its public part only still verifies what it once signed.
 */
export type JwtKeyOptions = {
  /** The `kid` of RFC 7515 section 4.1.4. */
  kid: string;
  /** Whether new tokens are signed with it: exactly one key does. @default true for the only key that can */
  sign?: boolean;
} & (
  | { secret: string | Buffer; privateKey?: never; publicKey?: never }
  | { privateKey: string | Buffer | KeyObject; secret?: never; publicKey?: never }
  | { publicKey: string | Buffer | KeyObject; secret?: never; privateKey?: never }
);

/** JWTs (RFC 9068) and their refresh tokens. */
export interface JwtOptions<User extends object = object> {
  /** Without it every call of `SigraJwtService` rejects with `jwt_disabled`, and no JWT is accepted. @default false */
  enabled?: boolean;
  /** The `iss` of access tokens (RFC 7519 section 4.1.1), such as `https://myapp.example`. Needed when enabled. */
  issuer?: string;
  /** The `aud` of access tokens (RFC 7519 section 4.1.3): the API that they are for. @default 'api' */
  audience?: string;
  /** The `client_id` of access tokens (RFC 9068 section 2.2). @default the audience */
  clientId?: string;
  /** Lifetime of an access token, in seconds, from 1. @default 900 */
  accessTtl?: number;
  /** How long a refresh token may lie unused, in seconds, from 1. @default 2_592_000, 30 days */
  refreshTtl?: number;
  /**
   * How long a sign-in lasts, however often it is refreshed, in seconds; not less than `refreshTtl` and `accessTtl`.
   *
   * @default 7_776_000, 90 days, or `refreshTtl` if that is more
   */
  absoluteTtl?: number;
  /**
   * The one HS256 secret, of at least 32 bytes. Give this or `keys`. To rotate it without ending access tokens, move it
   * into `keys`, under the `kid` in the header of its tokens and with `sign: false`, beside the new one.
   */
  secret?: string;
  /** Several keys, for rotation without downtime, or for RS256 and ES256. Exactly one of them signs. */
  keys?: readonly JwtKeyOptions[];
  /** The algorithm that the signing key must be for: a safeguard against the wrong key. @default what the key says */
  algorithm?: JwtAlgorithm;
  /** How far clocks of issuer and verifier may differ, in seconds, 0 to 300. @default 0 */
  clockTolerance?: number;
  /**
   * The application's own claims, asked for whenever an access token is made. They never replace one of Sigra's. What
   * it throws, the caller gets, and no refresh token is consumed. @default none
   */
  claims?: (user: User) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /**
   * `stateless` reads nothing: a token is good until it expires. `epoch` reads the user and the epoch, so that signing
   * out everywhere and deactivation take effect at once. `family` also reads the sign-in that the token belongs to.
   *
   * @default 'epoch'
   */
  check?: JwtCheck;
  /**
   * For how long a rotated refresh token may be presented again, in seconds, 0 to 60, as long as its successor is
   * unused: the same successor is answered. For clients that lose answers or refresh in several tabs. @default 0
   */
  reuseLeeway?: number;
}

/** Browser sessions. Without this option no session is ever accepted. */
export interface SessionOptions {
  /**
   * Reads the signed-in user's id from the request; nothing when nobody is signed in. On Fastify it receives Fastify's
   * request.
   */
  userId: (request: SessionRequest) => SessionUserId | Promise<SessionUserId>;
  /** What a session may do. @default ['*'], the user acts in person */
  scopes?: readonly string[];
  /**
   * Other origins whose pages may send unsafe requests (POST, PUT, PATCH, DELETE) with a session, such as
   * `https://app.example.com`. @default [], the same origin only
   */
  trustedOrigins?: readonly string[];
}

/** A user's id as a session may hold it; nothing when nobody is signed in. */
export type SessionUserId = string | number | bigint | null | undefined;

/** What a session resolver sees: the framework's request, with whatever the host's session middleware left on it. */
export interface SessionRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What express-session and its like leave on the request. */
  readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>>;
  /** Node's own request, on Fastify. */
  readonly raw?: { readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>> };
}

/** The durable trail. */
export interface AuditOptions {
  /** Whether anything is recorded in `sigra_audit_events`, the host's own events included. @default true */
  enabled?: boolean;
  /** Clean-up deletes events older than this many seconds, from 1. @default undefined, events stay for ever */
  retention?: number;
}

/** Clean-up of rows that no answer depends on any more. */
export interface CleanupOptions {
  /** When clean-up runs, as a cron expression in the server's time zone; `false` never. @default '0 3 * * *' */
  schedule?: string | false;
  /** Rows deleted per transaction, 1 to 100,000. @default 1000 */
  batchSize?: number;
  /** How long revoked tokens are kept, in seconds, from 0. @default 7_776_000, 90 days */
  revokedRetention?: number;
}

/** Options of `SigraModule.forRoot()`. Times are seconds, but for `lookupTimeout`. Only `users` has no default. */
export interface SigraModuleOptions<User extends object = object> {
  /** Whose tokens they are. */
  users: UsersOptions<User>;
  /** Prefix, scopes and lifetimes of API tokens. */
  apiTokens?: ApiTokenOptions;
  /** JWTs and refresh tokens. @default not enabled */
  jwt?: JwtOptions<User>;
  /** How to read the host's browser sessions. @default no session is accepted */
  session?: SessionOptions;
  /** The durable trail. @default enabled, kept for ever */
  audit?: AuditOptions;
  /** The nightly clean-up. @default at three in the morning */
  cleanup?: CleanupOptions;
  /** The `realm` of `WWW-Authenticate` (RFC 6750 section 3): 1 to 100 printable ASCII characters. @default 'api' */
  realm?: string;
  /**
   * How long the database may take for a read, or for a change as a whole, in milliseconds, 10 to 60,000. What takes
   * longer is given up, and rejected with `unavailable`: 503 over HTTP. @default 2000
   */
  lookupTimeout?: number;
  /**
   * Whether the reads of every request are prepared statements, whose plans PostgreSQL keeps for each connection. Behind a
   * pooler that does not keep them they are given up by themselves. @default true
   */
  preparedStatements?: boolean;
}

/** Ready-made controllers, by the path under which each is mounted. A controller without a path does not exist. */
export interface ControllerPaths {
  /** Lists, creates, rotates and revokes the caller's own API tokens; for example `api/tokens`. */
  tokens?: string;
  /** Lists the scopes that tokens can be given; for example `api/scopes`. */
  scopes?: string;
  /** Gives the user of a session a pair of JWT and refresh token; for example `api/jwt`. Needs `jwt.enabled`. */
  jwt?: string;
  /** `token`, `revoke` and `introspect` (RFC 6749, 7009, 7662); for example `oauth`. Needs `jwt.enabled`. */
  oauth?: string;
  /** `jwks.json` (RFC 7517), as a rule under `.well-known`. Needs `jwt.enabled`. */
  jwks?: string;
}

/** What shapes the module itself; stands beside `useFactory` in `forRootAsync()`. */
export interface SigraModuleExtras {
  /** Whether guards and services can be injected everywhere without importing the module again. @default true */
  isGlobal?: boolean;
  /** The name of the TypeORM DataSource that holds Sigra's tables. @default 'default' */
  dataSource?: string;
  /** Ready-made controllers to mount. @default none */
  controllers?: ControllerPaths;
}
