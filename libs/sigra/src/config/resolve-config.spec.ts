import { describe, expect, it } from '@jest/globals';
import { ForeignFormats } from '../common/foreign-formats.js';
import { RawTokens } from '../common/raw-tokens.js';
import { ScopeRules } from '../common/scope-rules.js';
import { TokenKinds } from '../common/token-kinds.js';
import { resolveConfig } from './resolve-config.js';
import type { SigraConfig } from './sigra-config.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { SigraModuleOptions } from './sigra-options.js';

class User {
  id!: string;
}

const resolve = (options: object): SigraConfig => resolveConfig({ users: { entity: User }, ...options });

/** The error for invalid options; options that are accepted fail the test. */
function problemWith(options: object): SigraConfigError {
  try {
    resolve(options);
  } catch (error) {
    if (error instanceof SigraConfigError) return error;
    throw error;
  }
  throw new Error('The options were accepted');
}

/** The options that set `path` to `value`. */
function optionsWith(path: string, value: unknown): object {
  const [section = '', ...names] = path.split('.');
  if (names.length === 0) return { [section]: value };
  const required = section === 'users' ? { entity: User } : section === 'session' ? { userId: () => '1' } : {};
  const inner = names.reduceRight((options, name) => ({ [name]: options }), value) as object;
  return { [section]: { ...required, ...inner } };
}

const NOT_INTEGERS = ['10', 1.5, Number.NaN, Infinity, -1, 10n, true, {}, [10], () => 10];
const NOT_FLAGS = ['true', 1, 0, '', {}, []];
const NOT_OBJECTS = ['text', 42, true, [], () => ({})];
const NOT_SCOPES = ['read', { read: true }, [42], ['read', null], ['Read'], ['read notes'], ['read:'], ['']];

interface Rule {
  readonly wrong: readonly unknown[];
  readonly remedy: RegExp;
}

const RULES: Readonly<Record<string, Rule>> = {
  users: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'users.entity': { wrong: ['User', 42, {}, []], remedy: /^must be an entity class/ },
  'users.id': { wrong: ['', 42, {}, () => 'id'], remedy: /^must be the name of a property of the user/ },
  'users.isActive': { wrong: [true, 'active', {}], remedy: /^must be a function/ },
  apiTokens: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'apiTokens.kinds': {
    wrong: [
      ...NOT_OBJECTS,
      {},
      { Live: { prefix: 'sk_' } },
      { '1': { prefix: 'sk_' } },
      Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, { prefix: `p${n}_` }])),
      { live: { prefix: 'sk_' }, test: { prefix: 'sk_' } },
      { live: { prefix: 'sk_' }, test: { prefix: 'sk_test_' } },
      { live: { prefix: 'sk_live_', acceptPrefixes: ['ci_'] }, ci: { prefix: 'ci_' } },
      { live: { prefix: 'sk_live_', acceptPrefixes: ['old_'] }, ci: { prefix: 'ci_', acceptPrefixes: ['old_ci_'] } },
    ],
    remedy: /^must be an object of 1 to 16 kinds|beginning with a letter$|remove one$/,
  },
  'apiTokens.prefix': {
    wrong: ['', 'Sigra_', 'sigra-sk', 'sigra sk', 'é_', 'x'.repeat(33), 42, ['sk_'], 'sk_\n'],
    remedy: /for example 'myapp_sk_'$/,
  },
  'apiTokens.scopes': {
    wrong: [...NOT_SCOPES, ['*'], ['read:*']],
    remedy: /array of strings|for example "read:projects"/,
  },
  'apiTokens.foreignFormats': {
    wrong: [
      ...NOT_OBJECTS,
      {},
      { Old: { pattern: /^old_\w{40}$/, digest: 'sha256' } },
      Object.fromEntries(
        Array.from({ length: 17 }, (_, n) => [`k${n}`, { pattern: new RegExp(`^p${n}_$`), digest: 'sha256' }]),
      ),
    ],
    remedy: /^must be an object of 1 to 16 formats|beginning with a letter$/,
  },
  'apiTokens.writeImpliesRead': { wrong: NOT_FLAGS, remedy: /^must be true or false/ },
  'apiTokens.parseMetadata': { wrong: [true, 'parse', {}], remedy: /^must be a function of the metadata/ },
  'apiTokens.requireExpiry': { wrong: NOT_FLAGS, remedy: /^must be true or false/ },
  'apiTokens.acceptPrefixes': {
    wrong: [
      'old_',
      {},
      7,
      ['old_', 'old_'],
      ['sigra_sk_'],
      ['sigra_'],
      ['sigra_sk_old_'],
      Array.from({ length: 17 }, (_, n) => `p${n}_`),
    ],
    remedy: /^must be an array of at most 16 prefixes|remove one$/,
  },
  'apiTokens.defaultTtl': {
    wrong: [...NOT_INTEGERS, 0, 1e12],
    remedy: /integer number of seconds from 1 to 3155760000/,
  },
  'apiTokens.maxTtl': { wrong: [...NOT_INTEGERS, 0, 1e12], remedy: /integer number of seconds from 1 to 3155760000/ },
  'apiTokens.activityUpdateThreshold': {
    wrong: [...NOT_INTEGERS, 1e12],
    remedy: /integer number of seconds from 0 to 3155760000/,
  },
  'apiTokens.usage': { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'apiTokens.usage.enabled': { wrong: ['yes', 1], remedy: /^must be true or false/ },
  'apiTokens.usage.retention': {
    wrong: [...NOT_INTEGERS, 86_399, 1e12],
    remedy: /integer number of seconds from 86400 to 3155760000/,
  },
  'apiTokens.idleTtl': {
    wrong: [...NOT_INTEGERS, 0, 302, 1e12],
    remedy: /integer number of seconds from 1 to 3155760000|must be longer than 302 seconds/,
  },
  'apiTokens.onExpiring': { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'apiTokens.onExpiring.days': {
    wrong: [undefined, 30, [], [0], [3651], [1.5], ['30'], [7, 7], Array.from({ length: 17 }, (_, day) => day + 1)],
    remedy: /^must be an array of 1 to 16 different days from 1 to 3650, not .+; for example \[30, 7, 1\]$/,
  },
  'apiTokens.onUnused': { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'apiTokens.defaultPageSize': { wrong: [...NOT_INTEGERS, 0, 201], remedy: /integer number of tokens from 1 to 200/ },
  'apiTokens.maxPageSize': {
    wrong: [...NOT_INTEGERS, 0, 10_001],
    remedy: /integer number of tokens from 1 to 10000/,
  },
  credentials: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'credentials.headers': {
    wrong: [
      'x-api-key',
      [1],
      [],
      ['x-api-key'],
      ...[
        ['', 'x api key', 'x_api_key', 'x-api-key:', '__proto__', 'é', 'x-api-key\n', ':authority', '-x', 'x-'],
        ['Cookie', 'Set-Cookie', 'Host', 'Connection', 'Keep-Alive', 'Transfer-Encoding', 'TE', 'Trailer', 'Upgrade'],
        ['Proxy-Authorization', 'Content-Type', 'Origin', 'Referer', 'Sec-Fetch-Site', 'Sec-WebSocket-Protocol'],
        ['X-Forwarded-For', 'Forwarded', 'Idempotency-Key', 'User-Agent', 'Accept', 'If-Match', 'constructor'],
      ]
        .flat()
        .map((name) => ['authorization', name]),
      ['authorization', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'],
    ],
    remedy: /"x-api-key"|add it to the list|use at most 8$/,
  },
  'credentials.resolve': { wrong: [true, 'jwt', {}], remedy: /^must be a function of the request/ },
  session: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'session.userId': {
    wrong: [undefined, 'userId', {}],
    remedy: /^must be a function, not .+; for example \(request\) => request.session\?.userId$/,
  },
  'session.scopes': { wrong: NOT_SCOPES, remedy: /array of strings|for example "read:projects"/ },
  'session.trustedOrigins': {
    wrong: ['https://app.example', ['app.example'], ['https://app.example/'], ['https://app.example/path'], ['*'], [1]],
    remedy: /array of strings|an origin looks like "https:\/\/app.example.com"/,
  },
  audit: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'audit.enabled': { wrong: NOT_FLAGS, remedy: /^must be true or false/ },
  'audit.retention': { wrong: [...NOT_INTEGERS, 0, 1e12], remedy: /integer number of seconds from 1 to 3155760000/ },
  'audit.failureRetention': {
    wrong: [...NOT_INTEGERS, 0, 1e12, false],
    remedy: /integer number of seconds from 1 to 3155760000/,
  },
  hooks: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'hooks.onTokenCreated': { wrong: ['mail', {}, 1], remedy: /^must be a function of the change/ },
  cleanup: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'cleanup.schedule': {
    wrong: [true, '', 'nightly', '61 * * * *', '* * *', 300, {}, new Date(), '2030-01-01T00:00:00Z'],
    remedy: /^must be a cron expression such as "0 3 \* \* \*", or false/,
  },
  'cleanup.batchSize': { wrong: [...NOT_INTEGERS, 0, 100_001], remedy: /integer number of rows from 1 to 100000/ },
  'cleanup.revokedRetention': {
    wrong: [...NOT_INTEGERS, 1e12],
    remedy: /integer number of seconds from 0 to 3155760000/,
  },
  realm: {
    wrong: ['', 'a "quoted" realm', 'back\\slash', 'line\nbreak', 'é', 'x'.repeat(101), 42, {}],
    remedy: /^must be 1 to 100 printable ASCII characters without " and \\$/,
  },
  lookupTimeout: {
    wrong: [...NOT_INTEGERS, 0, 9, 60_001],
    remedy: /integer number of milliseconds from 10 to 60000/,
  },
  preparedStatements: { wrong: NOT_FLAGS, remedy: /^must be true or false/ },
  replicas: { wrong: NOT_OBJECTS, remedy: /^must be an object/ },
  'replicas.urls': { wrong: ['postgres://s/app', 42, {}], remedy: /^must be an array of postgres:\/\/ URLs/ },
  'replicas.leaseMilliseconds': {
    wrong: [...NOT_INTEGERS, 0, 49, 5001],
    remedy: /integer number of milliseconds from 50 to 5000/,
  },
  routes: { wrong: ['', 'fail', true, false, 1], remedy: /^must be one of error, warn, off/ },
};

describe.each(Object.entries(RULES))('an invalid %s', (path, { wrong, remedy }) => {
  it.each(wrong.map((value) => [value]))('such as %p fails with the option and the remedy', (value) => {
    const error = problemWith(optionsWith(path, value));

    expect(error).toMatchObject({ name: 'SigraConfigError', option: path });
    expect(error.message.slice(`sigra: ${path} `.length)).toMatch(remedy);
  });

  it('such as null does not become the default', () => {
    expect(problemWith(optionsWith(path, null)).option).toBe(path);
  });
});

describe('resolveConfig', () => {
  it('refuses to delete revoked tokens that a report of a leak has to find, and only with such reports', () => {
    const cleanup = { revokedRetention: 7199 };

    const { option, message } = problemWith({ cleanup, leaks: { rotatedWithin: 7200 } });

    expect(option).toBe('cleanup.revokedRetention');
    expect(message).toMatch(/is shorter than leaks\.rotatedWithin, .*; make it at least 7200$/);
    expect(problemWith({ cleanup: { revokedRetention: 3599 }, leaks: {} }).option).toBe('cleanup.revokedRetention');
    expect(resolve({ cleanup, leaks: { rotatedWithin: 7199 } }).cleanup).toMatchObject(cleanup);
    expect(resolve({ cleanup: { revokedRetention: 0 } }).cleanup).toMatchObject({ revokedRetention: 0 });
  });

  it.each([['standby:5432/app'], ['https://s/app'], ['postgres://s'], ['postgres:///app'], [42]])(
    'refuses the standby %p without repeating it',
    (url) => {
      const { option, message } = problemWith({ replicas: { urls: ['postgres://s/app', url] } });

      expect(option).toBe('replicas.urls[1]');
      expect(message).toMatch(/is not a URL of a database; for example/);
    },
  );

  it('refuses a lease that leaves the primary too little of lookupTimeout', () => {
    expect(problemWith({ replicas: { leaseMilliseconds: 251 }, lookupTimeout: 500 }).option).toBe(
      'replicas.leaseMilliseconds',
    );
    expect(resolve({ replicas: {}, lookupTimeout: 500 }).replicas).toEqual({ urls: [], leaseMilliseconds: 250 });
  });

  it.each(['maxTtl', 'activityUpdateThreshold', 'defaultPageSize'])(
    'explains how to convert a numeric string for %s',
    (option) => {
      expect(problemWith({ apiTokens: { [option]: '300' } }).message).toMatch(
        /not the string "300"; convert it with Number\(\)$/,
      );
    },
  );

  it.each([
    ['tokens', { tokens: {} }, 'apiTokens'],
    ['users.entities', { users: { entities: [] } }, 'entity'],
    ['apiTokens.ttl', { apiTokens: { ttl: 60 } }, 'maxTtl'],
    ['session.user', { session: { user: 1 } }, 'userId'],
    ['audit.enable', { audit: { enable: true } }, 'enabled'],
    ['cleanup.cron', { cleanup: { cron: '' } }, 'schedule'],
    ['constructor', { constructor: 1 }, 'users'],
    ['apiTokens.toString', { apiTokens: { toString: 1 } }, 'prefix'],
  ])('refuses the unknown option %s and lists the known ones', (path, options, known) => {
    const error = problemWith(options);

    expect(error.option).toBe(path);
    expect(error.message).toMatch(new RegExp(`is not an option; known are: .*${known}`));
  });

  it.each(['isGlobal', 'dataSource', 'controllers'])('explains where %s belongs', (extra) => {
    expect(problemWith({ [extra]: {} }).message).toBe(
      `sigra: ${extra} shapes the module itself; give it beside useFactory, not in what that returns`,
    );
  });

  it.each([
    ['undefined', undefined],
    ['an empty object', {}],
    ['no users', { users: undefined }],
  ])('names the missing users when it receives %s', (_case, options) => {
    expect(() => resolveConfig(options as SigraModuleOptions)).toThrow(
      'sigra: users is missing; give { entity: User } or { provider: MyUserProvider }',
    );
  });

  it.each([
    ['neither', {}],
    ['both', { entity: User, provider: { findByIds: () => [] } }],
  ])('requires one of entity and provider, not %s', (_case, users) => {
    expect(problemWith({ users }).message).toBe('sigra: users needs exactly one of entity and provider');
  });

  it.each([['text'], [{}], [{ findByIds: [] }], [42]])('refuses the provider %p', (provider) => {
    expect(problemWith({ users: { provider } }).message).toBe(
      'sigra: users.provider must be a class, or an object with a findByIds() method',
    );
  });

  it.each(['e', 'ey', 'eyj', 'eyjust_'])(
    'refuses the prefix %p, under which a token could look like a JWT',
    (prefix) => {
      expect(problemWith({ apiTokens: { prefix } }).message).toMatch(
        /apiTokens.prefix begins like a JWT; choose another/,
      );
    },
  );

  it('refuses the prefix of refresh tokens', () => {
    expect(problemWith({ apiTokens: { prefix: 'sigra_rt_' } }).message).toMatch(/is the prefix of refresh tokens/);
  });

  it.each([
    ['live.prefix', {}],
    ['live.prefix', { prefix: 'eyj_' }],
    ['live.prefix', { prefix: 'sigra_rt_' }],
    ['live.acceptPrefixes', { prefix: 'sk_', acceptPrefixes: 'old_' }],
    ['live.scopes', { prefix: 'sk_', scopes: [] }],
    ['live.scopes', { prefix: 'sk_', scopes: ['read:notes'] }],
    ['live.scopes', { prefix: 'sk_', scopes: ['notes:*'] }],
    ['live.defaultTtl', { prefix: 'sk_', maxTtl: 60, defaultTtl: 61 }],
    ['live.maxPageSize', { prefix: 'sk_', maxPageSize: 10 }],
  ])('names the option kinds.%s of the kind %j', (option, live) => {
    expect(problemWith({ apiTokens: { kinds: { live } } })).toMatchObject({ option: `apiTokens.kinds.${option}` });
  });

  it.each([
    ['pattern', {}],
    ['pattern', { pattern: '^old_' }],
    ['pattern', { pattern: /old_\w{40}$/ }],
    ['pattern', { pattern: /^old_\w{40}/ }],
    ['pattern', { pattern: /^old_\w{40}\$/ }],
    ['pattern', { pattern: /^old_\w{40}|older_\w{40}$/ }],
    ['pattern', { pattern: /^old_\w{40}$/i }],
    ['pattern', { pattern: /^\w*$/ }],
    ['pattern', { pattern: /^\w{58}$/ }],
    ['pattern', { pattern: /^sigra_rt_.{49}$/ }],
    ['pattern', { pattern: /^[\w.-]{60,}$/ }],
    ['digest', { pattern: /^old_\w{40}$/ }],
    ['digest', { pattern: /^old_\w{40}$/, digest: 'md5' }],
    ['kind', { pattern: /^old_\w{40}$/, digest: 'sha256', kind: 'live' }],
    ['scheme', { pattern: /^old_\w{40}$/, digest: 'sha256', scheme: 'Bearer' }],
    ['scheme', { pattern: /^old_\w{40}$/, digest: 'sha256', scheme: 'a b' }],
    ['rehash', { pattern: /^old_\w{40}$/, digest: 'sha512', rehash: true }],
    ['rehash', { pattern: /^old_\w{40}$/, digest: () => new Uint8Array(32), rehash: 1 }],
  ])('names the option foreignFormats.old.%s of the format %p', (option, old) => {
    const foreignFormats = { old: { digest: 'pattern' in old && option === 'pattern' ? 'sha256' : undefined, ...old } };
    expect(problemWith({ apiTokens: { foreignFormats } })).toMatchObject({
      option: `apiTokens.foreignFormats.old.${option}`,
    });
  });

  it('refuses two formats with one pattern', () => {
    const [old, older] = ['sha256', 'sha512'].map((digest) => ({ pattern: /^old_\w{40}$/, digest }));

    expect(problemWith({ apiTokens: { foreignFormats: { old, older } } }).message).toMatch(
      /foreignFormats.old.pattern is that of older, so their tokens could not be told apart$/,
    );
  });

  it.each([[undefined], ['test']])('requires that a format beside kinds has one of them, not %s', (kind) => {
    const foreignFormats = { old: { pattern: /^old_\w{40}$/, digest: 'sha256', kind } };
    const kinds = { live: { prefix: 'sk_live_' } };

    expect(problemWith({ apiTokens: { kinds, foreignFormats } })).toMatchObject({
      option: 'apiTokens.foreignFormats.old.kind',
    });
  });

  it.each([[/^(?:a\|b|c)_\w{40}$/], [/^[|]_\w{40}$/], [/^old_\w{40}\\$/]])('accepts the pattern %p', (pattern) => {
    const foreignFormats = { old: { pattern, digest: 'sha256' } } as const;

    expect(resolve({ apiTokens: { foreignFormats } }).apiTokens.foreignFormats.all).toMatchObject([{ pattern }]);
  });

  it.each(['prefix', 'acceptPrefixes'])('refuses %s beside kinds, and names the remedy', (option) => {
    const kinds = { live: { prefix: 'sk_live_' } };
    const value = option === 'prefix' ? 'old_' : ['old_'];

    expect(problemWith({ apiTokens: { kinds, [option]: value } }).message).toBe(
      `sigra: apiTokens.${option} cannot stand beside kinds; move its prefixes to acceptPrefixes of the kind that their tokens belong to`,
    );
  });

  it('gives kinds the lifetimes of apiTokens, unless they have their own', () => {
    const kinds = { live: { prefix: 'sk_' }, ci: { prefix: 'ci_', requireExpiry: false, maxTtl: 60, defaultTtl: 30 } };
    const { apiTokens } = resolve({ apiTokens: { kinds, requireExpiry: true, maxTtl: 600, defaultTtl: 300 } });

    expect(apiTokens.kinds.all).toMatchObject([
      { name: 'live', requireExpiry: true, maxTtl: 600, defaultTtl: 300 },
      { name: 'ci', requireExpiry: false, maxTtl: 60, defaultTtl: 30 },
    ]);
    expect(problemWith({ apiTokens: { kinds: { ci: { prefix: 'ci_', maxTtl: 60 } }, defaultTtl: 61 } })).toMatchObject({
      option: 'apiTokens.kinds.ci.defaultTtl',
    });
  });

  it('accepts wildcards and built-in scopes for a kind', () => {
    const scopes = ['read:*', 'api_tokens:read', '*'];
    const { apiTokens } = resolve({ apiTokens: { scopes: ['read:notes'], kinds: { ci: { prefix: 'ci_', scopes } } } });

    expect(apiTokens.kinds.all).toMatchObject([{ scopes }]);
  });

  it.each([undefined, 'mail', {}])('refuses the notify %p of a notice', (notify) => {
    const error = problemWith({ apiTokens: { onUnused: { days: [90], notify } } });

    expect(error.option).toBe('apiTokens.onUnused.notify');
    expect(error.message).toMatch(/must be a function of the token/);
  });

  it('limits the default page size to maxPageSize, and refuses a larger one', () => {
    expect(resolve({ apiTokens: { maxPageSize: 10 } }).apiTokens).toMatchObject({ defaultPageSize: 10 });
    expect(problemWith({ apiTokens: { maxPageSize: 10, defaultPageSize: 11 } })).toMatchObject({
      option: 'apiTokens.defaultPageSize',
    });
  });

  it('never repeats a string in the place of an object, because it can be a secret', () => {
    for (const section of ['users', 'apiTokens', 'session', 'audit', 'cleanup']) {
      expect(problemWith({ [section]: 's3cret' }).message).not.toContain('s3cret');
    }
  });

  it('has a default for everything except users', () => {
    const { users, ownerTypes, ...rest } = resolve({});

    expect(users).toEqual({
      path: 'users',
      source: { kind: 'entity', entity: User },
      type: 'user',
      idProperty: 'id',
      isActive: expect.any(Function),
      scopes: undefined,
    });
    expect(users.isActive(new User())).toBe(true);
    expect(ownerTypes).toEqual([users]);
    const foreignFormats = new ForeignFormats([]);
    expect(rest).toEqual({
      apiTokens: {
        foreignFormats,
        rawTokens: new RawTokens(rest.apiTokens.kinds, foreignFormats),
        kinds: new TokenKinds(
          [
            {
              name: null,
              prefix: 'sigra_sk_',
              acceptPrefixes: [],
              importedPrefixes: [],
              scopes: undefined,
              requireExpiry: false,
              maxTtl: undefined,
              defaultTtl: undefined,
              idleTtl: undefined,
              ownerTypes: undefined,
            },
          ],
          { requireExpiry: false, maxTtl: undefined, defaultTtl: undefined, idleTtl: undefined },
        ),
        scopes: [],
        rules: ScopeRules.NONE,
        enforceOnExisting: false,
        maxActivePerOwner: 1000,
        activityUpdateThreshold: 300,
        usage: { enabled: false, retention: 7_776_000 },
        onExpiring: undefined,
        onUnused: undefined,
        defaultPageSize: 50,
        maxPageSize: 200,
      },
      jwt: undefined,
      session: undefined,
      leaks: { keysUrl: undefined, keys: undefined, rotatedWithin: 3600, onLeaked: undefined },
      metadata: { baseUrl: undefined, resource: undefined, authorizationServers: [], scopes: [] },
      resourceMetadata: undefined,
      dpop: undefined,
      audit: { enabled: true, retention: undefined, failureRetention: 34_560_000 },
      hooks: {},
      cleanup: { schedule: '0 3 * * *', batchSize: 1000, revokedRetention: 7_776_000 },
      realm: 'api',
      credentials: { headers: ['authorization'], resolve: undefined },
      lookupTimeout: 2000,
      preparedStatements: true,
      replicas: undefined,
      routes: 'error',
    });
  });

  it('accepts valid options, also at their bounds', () => {
    const userId = () => '1';
    const config = resolve({
      apiTokens: {
        prefix: 'x'.repeat(32),
        scopes: ['a', 'a:b:c', 'a', 'under_score.dot-dash:9'],
        maxTtl: 1,
        activityUpdateThreshold: 0,
        maxPageSize: 10_000,
        defaultPageSize: 10_000,
      },
      session: { userId, scopes: [], trustedOrigins: ['https://app.example', 'http://localhost:3000'] },
      audit: { enabled: false, retention: 3_155_760_000, failureRetention: 3_155_760_000 },
      cleanup: { schedule: '*/10 * * * * *', batchSize: 100_000, revokedRetention: 0 },
      realm: ' !#[]~',
      lookupTimeout: 10,
      preparedStatements: false,
      routes: 'off',
    });

    expect(config).toMatchObject({
      apiTokens: {
        scopes: [{ name: 'a' }, { name: 'a:b:c' }, { name: 'under_score.dot-dash:9' }],
        activityUpdateThreshold: 0,
        usage: { enabled: false, retention: 7_776_000 },
      },
      session: { userId, scopes: [], trustedOrigins: new Set(['https://app.example', 'http://localhost:3000']) },
      cleanup: { schedule: '*/10 * * * * *', revokedRetention: 0 },
    });
    expect(resolve({ session: { userId } }).session).toMatchObject({ scopes: ['*'] });
    expect(resolve({ cleanup: { schedule: false } }).cleanup.schedule).toBe(false);
  });

  it('returns a frozen configuration that shares nothing with the options', () => {
    const scopes = ['read'];
    const config = resolve({ apiTokens: { scopes } });

    scopes.push('write');

    expect(config.apiTokens.scopes).toMatchObject([{ name: 'read' }]);
    expect(() => (config.apiTokens.scopes as unknown[]).push({ name: 'admin' })).toThrow('not extensible');
    expect(() => Object.assign(config.apiTokens, { maxPageSize: 1 })).toThrow('read only');
    expect(Object.isFrozen(scopes)).toBe(false);
  });

  it('does not freeze the provider of the host', () => {
    const provider = { findByIds: () => Promise.resolve([]), calls: 0 };

    const { users } = resolveConfig({ users: { provider } });
    provider.calls++;

    expect(users.source).toEqual({ kind: 'provider', provider });
    expect(provider.calls).toBe(1);
  });

  it('does not quote a long string, because it can be a key', () => {
    const key = 'k3y'.repeat(22);

    expect(problemWith({ audit: { enabled: key } }).message).toBe(
      'sigra: audit.enabled must be true or false, not a string of 66 characters',
    );
  });

  it('refuses a sparse array of scopes', () => {
    const scopes = Object.assign([], { 1: 'read' });

    expect(problemWith({ apiTokens: { scopes } }).message).toBe(
      'sigra: apiTokens.scopes must be an array of strings and objects, not an array; a scope is lower-case segments joined by ":", for example "read:projects"',
    );
  });
});
