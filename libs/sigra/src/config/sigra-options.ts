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
}

/** What shapes the module itself; stands beside `useFactory` in `forRootAsync()`. */
export interface SigraModuleExtras {
  /** Whether guards and services can be injected everywhere without importing the module again. @default true */
  isGlobal?: boolean;
  /** The name of the TypeORM DataSource that holds Sigra's tables. @default 'default' */
  dataSource?: string;
  controllers?: ControllerPaths;
}
