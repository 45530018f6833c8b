import type { KeyObject } from 'node:crypto';
import type { Type } from '@nestjs/common';

/**
 * A host's own way to its users, for users that are no TypeORM entity of the same DataSource.
 *
 * @typeParam User the host's user type
 */
export interface UserProvider<User extends object = object> {
  /**
   * Finds users by id, in one go: every request of one event-loop turn shares the call. Users that do not exist are left
   * out; order does not matter.
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
  entity: Type<User>;
  provider?: never;
}

/** Users that the host finds itself: an instance, or a class that is a provider of the application. */
export interface UserProviderOptions<User extends object> extends UserRules<User> {
  provider: Type<UserProvider<User>> | UserProvider<User>;
  entity?: never;
}

export type UsersOptions<User extends object> = UserEntityOptions<User> | UserProviderOptions<User>;

/** API tokens. */
export interface ApiTokenOptions {
  /** What every raw token begins with. Matches `^[a-z0-9_]+$`. @default 'sigra_sk_' */
  prefix?: string;
  /** The application's own scopes, such as `read:projects`, beside the built-in ones. @default [] */
  scopes?: readonly string[];
  /** Whether holding `write:projects` also grants `read:projects`. @default false */
  writeImpliesRead?: boolean;
  /** Whether every token must be created with `expiresAt`. @default false */
  requireExpiry?: boolean;
  /** The longest lifetime that a token may be created with, in seconds. @default no limit */
  maxTtl?: number;
  /** `last_used_at` is written at most once per token in this many seconds. 0 writes every use. @default 300 */
  activityUpdateThreshold?: number;
  /** Tokens per page when the caller names no limit. @default 50 */
  defaultPageSize?: number;
  /** The largest page that a caller may ask for. @default 200 */
  maxPageSize?: number;
}

/** What a JWT is signed with. */
export type JwtAlgorithm = 'HS256' | 'RS256' | 'ES256';

/** What of the database a JWT is held against. */
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
  /** The `iss` of access tokens, such as `https://myapp.example`. Needed when enabled. */
  issuer?: string;
  /** The `aud` of access tokens: the API that they are for. @default 'api' */
  audience?: string;
  /** The `client_id` of access tokens. @default the audience */
  clientId?: string;
  /** Lifetime of an access token, in seconds. @default 900 */
  accessTtl?: number;
  /** How long a refresh token may lie unused, in seconds. @default 2_592_000, 30 days */
  refreshTtl?: number;
  /** How long a sign-in lasts, however often it is refreshed, in seconds. @default 7_776_000, 90 days */
  absoluteTtl?: number;
  /** The one HS256 secret, of at least 32 bytes. Give this or `keys`. */
  secret?: string;
  /** Several keys, for rotation without downtime, or for RS256 and ES256. */
  keys?: readonly JwtKeyOptions[];
  /** The algorithm that the signing key must be for. @default what the signing key says */
  algorithm?: JwtAlgorithm;
  /** How far clocks of issuer and verifier may differ, in seconds, 0 to 300. @default 0 */
  clockTolerance?: number;
  /** The application's own claims. They never replace one of Sigra's. */
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

export type SessionUserId = string | number | bigint | null | undefined;

/** What a session resolver sees: the framework's request, with whatever the host's session middleware left on it. */
export interface SessionRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>>;
  readonly raw?: { readonly session?: { readonly userId?: SessionUserId } & Readonly<Record<string, unknown>> };
}

/** The durable trail. */
export interface AuditOptions {
  /** Whether changes and failures are recorded in `sigra_audit_events`. @default true */
  enabled?: boolean;
  /** Clean-up deletes events older than this many seconds. @default undefined, events stay for ever */
  retention?: number;
}

/** Clean-up of rows that no answer depends on any more. */
export interface CleanupOptions {
  /** When clean-up runs, as a cron expression in the server's time zone; `false` never. @default '0 3 * * *' */
  schedule?: string | false;
  /** Rows deleted per transaction. @default 1000 */
  batchSize?: number;
  /** How long revoked tokens are kept, in seconds. @default 7_776_000, 90 days */
  revokedRetention?: number;
}

/** Options of `SigraModule.forRoot()`. Times are seconds, but for `lookupTimeout`. Only `users` has no default. */
export interface SigraModuleOptions<User extends object = object> {
  users: UsersOptions<User>;
  apiTokens?: ApiTokenOptions;
  jwt?: JwtOptions<User>;
  session?: SessionOptions;
  audit?: AuditOptions;
  cleanup?: CleanupOptions;
  /** The `realm` of `WWW-Authenticate` (RFC 6750 section 3). @default 'api' */
  realm?: string;
  /** How long a request waits for the database before it is answered with 503, in milliseconds. @default 2000 */
  lookupTimeout?: number;
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
  controllers?: ControllerPaths;
}
