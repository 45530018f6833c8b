import { CronTime } from 'cron';
import { isScope, isWildcard } from '../common/scope-grammar.js';
import { describe, flag, section, SECONDS, SECONDS_OR_ZERO, strings, wholeNumber } from './option-checks.js';
import { resolveJwt } from './resolve-jwt.js';
import type { SigraConfig, UserSourceConfig } from './sigra-config.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { SessionOptions, SigraModuleExtras, SigraModuleOptions, UserProvider } from './sigra-options.js';

const EXTRAS = ['isGlobal', 'dataSource', 'controllers'] satisfies (keyof SigraModuleExtras)[];

const PREFIX = /^[a-z0-9_]{1,32}$/;

/**
 * Turns the host's options into the one configuration that everything reads.
 *
 * @throws SigraConfigError that names the option and the remedy, never a secret
 */
export function resolveConfig(options: SigraModuleOptions): SigraConfig {
  for (const extra of EXTRAS) {
    if (Object.hasOwn(Object(options) as object, extra)) {
      throw new SigraConfigError(
        extra,
        'shapes the module itself; give it beside useFactory, not in what that returns',
      );
    }
  }
  const known = [
    'users',
    'apiTokens',
    'jwt',
    'session',
    'audit',
    'cleanup',
    'realm',
    'lookupTimeout',
    'preparedStatements',
  ];
  const root = section('options', options, known);
  return deepFreeze({
    users: resolveUsers(root.users),
    apiTokens: resolveApiTokens(root.apiTokens),
    jwt: resolveJwt(root.jwt),
    session: resolveSession(root.session),
    audit: resolveAudit(root.audit),
    cleanup: resolveCleanup(root.cleanup),
    realm: resolveRealm(root.realm),
    lookupTimeout: wholeNumber('lookupTimeout', root.lookupTimeout ?? 2000, {
      min: 10,
      max: 60_000,
      unit: 'milliseconds',
    }),
    preparedStatements: flag('preparedStatements', root.preparedStatements, true),
  });
}

function resolveUsers(value: unknown): SigraConfig['users'] {
  if (value === undefined) {
    throw new SigraConfigError('users', 'is missing; give { entity: User } or { provider: MyUserProvider }');
  }
  const users = section('users', value, ['entity', 'provider', 'id', 'isActive']);
  const idProperty = users.id ?? 'id';
  if (typeof idProperty !== 'string' || idProperty === '') {
    throw new SigraConfigError('users.id', `must name a property of the user, not ${describe(users.id)}`);
  }
  const isActive = users.isActive ?? (() => true);
  if (typeof isActive !== 'function') {
    throw new SigraConfigError('users.isActive', `must be a function, not ${describe(isActive)}`);
  }
  return { source: resolveUserSource(users), idProperty, isActive: isActive as (user: object) => boolean };
}

function resolveUserSource(users: Readonly<Record<string, unknown>>): UserSourceConfig {
  if ((users.entity === undefined) === (users.provider === undefined)) {
    throw new SigraConfigError('users', 'needs exactly one of entity and provider');
  }
  if (users.entity !== undefined) {
    if (typeof users.entity !== 'function') {
      throw new SigraConfigError('users.entity', `must be an entity class, not ${describe(users.entity)}`);
    }
    return { kind: 'entity', entity: users.entity as new () => object };
  }
  const provider = users.provider as UserProvider | (new () => UserProvider);
  if (typeof provider !== 'function' && typeof (provider as Partial<UserProvider> | null)?.findByIds !== 'function') {
    throw new SigraConfigError('users.provider', 'must be a class, or an object with a findByIds() method');
  }
  return { kind: 'provider', provider };
}

function resolveApiTokens(value: unknown): SigraConfig['apiTokens'] {
  const tokens = section('apiTokens', value, [
    'prefix',
    'scopes',
    'writeImpliesRead',
    'requireExpiry',
    'maxTtl',
    'activityUpdateThreshold',
    'defaultPageSize',
    'maxPageSize',
  ]);
  const maxPageSize = wholeNumber('apiTokens.maxPageSize', tokens.maxPageSize ?? 200, {
    min: 1,
    max: 10_000,
    unit: 'tokens',
  });
  return {
    prefix: resolvePrefix(tokens.prefix),
    scopes: resolveScopes('apiTokens.scopes', tokens.scopes ?? [], false),
    writeImpliesRead: flag('apiTokens.writeImpliesRead', tokens.writeImpliesRead, false),
    requireExpiry: flag('apiTokens.requireExpiry', tokens.requireExpiry, false),
    maxTtl: tokens.maxTtl === undefined ? undefined : wholeNumber('apiTokens.maxTtl', tokens.maxTtl, SECONDS),
    activityUpdateThreshold: wholeNumber(
      'apiTokens.activityUpdateThreshold',
      tokens.activityUpdateThreshold ?? 300,
      SECONDS_OR_ZERO,
    ),
    defaultPageSize: wholeNumber('apiTokens.defaultPageSize', tokens.defaultPageSize ?? Math.min(50, maxPageSize), {
      min: 1,
      max: maxPageSize,
      unit: 'tokens',
    }),
    maxPageSize,
  };
}

function resolvePrefix(value: unknown = 'sigra_sk_'): string {
  if (typeof value !== 'string' || !PREFIX.test(value)) {
    throw new SigraConfigError(
      'apiTokens.prefix',
      `must be 1 to 32 characters of a-z, 0-9 and _, not ${describe(value)}; for example 'myapp_sk_'`,
    );
  }
  // A prefix of `ey` alone would make some tokens begin like a JWT.
  if ('eyj'.startsWith(value.toLowerCase().slice(0, 3))) {
    throw new SigraConfigError('apiTokens.prefix', 'begins like a JWT; choose another, for example "myapp_sk_"');
  }
  if (value === 'sigra_rt_') {
    throw new SigraConfigError(
      'apiTokens.prefix',
      'is that of refresh tokens; choose another, for example "myapp_sk_"',
    );
  }
  return value;
}

function resolveScopes(path: string, value: unknown, wildcards: boolean): readonly string[] {
  const scopes = [...strings(path, value)];
  for (const scope of scopes) {
    if (!isScope(scope) || (!wildcards && isWildcard(scope))) {
      throw new SigraConfigError(
        path,
        `has ${describe(scope)}; a scope is lower-case segments joined by ":", for example "read:projects"`,
      );
    }
  }
  return [...new Set(scopes)];
}

function resolveSession(value: unknown): SigraConfig['session'] {
  if (value === undefined) return undefined;
  const session = section('session', value, ['userId', 'scopes', 'trustedOrigins']);
  if (typeof session.userId !== 'function') {
    throw new SigraConfigError(
      'session.userId',
      'must be a function, for example (request) => request.session?.userId',
    );
  }
  const trustedOrigins = strings('session.trustedOrigins', session.trustedOrigins ?? []);
  for (const origin of trustedOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new SigraConfigError(
        'session.trustedOrigins',
        `has ${describe(origin)}; an origin looks like "https://app.example.com", without a path`,
      );
    }
  }
  return {
    userId: session.userId as SessionOptions['userId'],
    scopes: resolveScopes('session.scopes', session.scopes ?? ['*'], true),
    trustedOrigins: new Set(trustedOrigins),
  };
}

function resolveAudit(value: unknown): SigraConfig['audit'] {
  const audit = section('audit', value, ['enabled', 'retention']);
  return {
    enabled: flag('audit.enabled', audit.enabled, true),
    retention: audit.retention === undefined ? undefined : wholeNumber('audit.retention', audit.retention, SECONDS),
  };
}

function resolveCleanup(value: unknown): SigraConfig['cleanup'] {
  const cleanup = section('cleanup', value, ['schedule', 'batchSize', 'revokedRetention']);
  return {
    schedule: resolveSchedule(cleanup.schedule),
    batchSize: wholeNumber('cleanup.batchSize', cleanup.batchSize ?? 1000, { min: 1, max: 100_000, unit: 'rows' }),
    revokedRetention: wholeNumber('cleanup.revokedRetention', cleanup.revokedRetention ?? 7_776_000, SECONDS_OR_ZERO),
  };
}

function resolveSchedule(value: unknown = '0 3 * * *'): string | false {
  if (value === false) return false;
  try {
    if (typeof value !== 'string') throw new TypeError('not a string');
    new CronTime(value);
    return value;
  } catch {
    throw new SigraConfigError(
      'cleanup.schedule',
      `must be a cron expression such as "0 3 * * *", or false, not ${describe(value)}`,
    );
  }
}

function resolveRealm(value: unknown = 'api'): string {
  // It stands in a quoted-string of a header: no quotes, backslashes or control characters.
  if (typeof value !== 'string' || !/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(value)) {
    throw new SigraConfigError('realm', `must be 1 to 100 printable ASCII characters without " and \\`);
  }
  return value;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value) as unknown[]) {
    if (Array.isArray(part) || (typeof part === 'object' && part !== null && isPlain(part))) deepFreeze(part);
  }
  return Object.freeze(value);
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype && !('findByIds' in value);
}
