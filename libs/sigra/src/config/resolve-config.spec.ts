import { describe, expect, it } from '@jest/globals';
import { resolveConfig } from './resolve-config.js';
import type { SigraConfig } from './sigra-config.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { SigraModuleOptions } from './sigra-options.js';

class User {
  id!: string;
}

const resolve = (options: object): SigraConfig => resolveConfig({ users: { entity: User }, ...options });

/** The error for wrong options; a resolved configuration fails the test. */
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
  const [section = '', option] = path.split('.');
  if (option === undefined) return { [section]: value };
  const required = section === 'users' ? { entity: User } : section === 'session' ? { userId: () => '1' } : {};
  return { [section]: { ...required, [option]: value } };
}

const NO_WHOLE_NUMBERS = ['10', 1.5, Number.NaN, Infinity, -1, 10n, true, {}, [10], () => 10];
const NO_FLAGS = ['true', 1, 0, '', {}, []];
const NO_OBJECTS = ['text', 42, true, [], () => ({})];
const NO_SCOPES = ['read', { read: true }, [42], ['read', null], ['Read'], ['read notes'], ['read:'], ['']];

interface Rule {
  readonly wrong: readonly unknown[];
  readonly remedy: RegExp;
}

const RULES: Readonly<Record<string, Rule>> = {
  users: { wrong: NO_OBJECTS, remedy: /^must be an object/ },
  'users.entity': { wrong: ['User', 42, {}, []], remedy: /^must be an entity class/ },
  'users.id': { wrong: ['', 42, {}, () => 'id'], remedy: /^must name a property of the user/ },
  'users.isActive': { wrong: [true, 'active', {}], remedy: /^must be a function/ },
  apiTokens: { wrong: NO_OBJECTS, remedy: /^must be an object/ },
  'apiTokens.prefix': {
    wrong: ['', 'Sigra_', 'sigra-sk', 'sigra sk', 'é_', 'x'.repeat(33), 42, ['sk_'], 'sk_\n'],
    remedy: /for example 'myapp_sk_'$/,
  },
  'apiTokens.scopes': {
    wrong: [...NO_SCOPES, ['*'], ['read:*']],
    remedy: /array of strings|for example "read:projects"/,
  },
  'apiTokens.writeImpliesRead': { wrong: NO_FLAGS, remedy: /^must be true or false/ },
  'apiTokens.requireExpiry': { wrong: NO_FLAGS, remedy: /^must be true or false/ },
  'apiTokens.maxTtl': { wrong: [...NO_WHOLE_NUMBERS, 0, 1e12], remedy: /whole number of seconds from 1 to 3155760000/ },
  'apiTokens.activityUpdateThreshold': {
    wrong: [...NO_WHOLE_NUMBERS, 1e12],
    remedy: /whole number of seconds from 0 to 3155760000/,
  },
  'apiTokens.defaultPageSize': { wrong: [...NO_WHOLE_NUMBERS, 0, 201], remedy: /whole number of tokens from 1 to 200/ },
  'apiTokens.maxPageSize': {
    wrong: [...NO_WHOLE_NUMBERS, 0, 10_001],
    remedy: /whole number of tokens from 1 to 10000/,
  },
  session: { wrong: NO_OBJECTS, remedy: /^must be an object/ },
  'session.userId': {
    wrong: [undefined, 'userId', {}],
    remedy: /^must be a function, for example \(request\) => request.session\?.userId$/,
  },
  'session.scopes': { wrong: NO_SCOPES, remedy: /array of strings|for example "read:projects"/ },
  'session.trustedOrigins': {
    wrong: ['https://app.example', ['app.example'], ['https://app.example/'], ['https://app.example/path'], ['*'], [1]],
    remedy: /array of strings|an origin looks like "https:\/\/app.example.com"/,
  },
  audit: { wrong: NO_OBJECTS, remedy: /^must be an object/ },
  'audit.enabled': { wrong: NO_FLAGS, remedy: /^must be true or false/ },
  'audit.retention': { wrong: [...NO_WHOLE_NUMBERS, 0, 1e12], remedy: /whole number of seconds from 1 to 3155760000/ },
  cleanup: { wrong: NO_OBJECTS, remedy: /^must be an object/ },
  'cleanup.schedule': {
    wrong: [true, '', 'nightly', '61 * * * *', '* * *', 300, {}, new Date(), '2030-01-01T00:00:00Z'],
    remedy: /^must be a cron expression such as "0 3 \* \* \*", or false/,
  },
  'cleanup.batchSize': { wrong: [...NO_WHOLE_NUMBERS, 0, 100_001], remedy: /whole number of rows from 1 to 100000/ },
  'cleanup.revokedRetention': {
    wrong: [...NO_WHOLE_NUMBERS, 1e12],
    remedy: /whole number of seconds from 0 to 3155760000/,
  },
  realm: {
    wrong: ['', 'a "quoted" realm', 'back\\slash', 'line\nbreak', 'é', 'x'.repeat(101), 42, {}],
    remedy: /^must be 1 to 100 printable ASCII characters without " and \\$/,
  },
  lookupTimeout: {
    wrong: [...NO_WHOLE_NUMBERS, 0, 9, 60_001],
    remedy: /whole number of milliseconds from 10 to 60000/,
  },
  preparedStatements: { wrong: NO_FLAGS, remedy: /^must be true or false/ },
};

describe.each(Object.entries(RULES))('a wrong %s', (path, { wrong, remedy }) => {
  it.each(wrong.map((value) => [value]))('such as %p is named, with the remedy', (value) => {
    const error = problemWith(optionsWith(path, value));

    expect(error).toMatchObject({ name: 'SigraConfigError', option: path });
    expect(error.message.slice(`sigra: ${path} `.length)).toMatch(remedy);
  });

  it('such as null is not taken for the default', () => {
    expect(problemWith(optionsWith(path, null)).option).toBe(path);
  });
});

describe('resolveConfig', () => {
  it.each(['maxTtl', 'activityUpdateThreshold', 'defaultPageSize'])(
    'says of a numeric string for %s how to convert it',
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
  ])('knows no option %s, and says which it knows', (path, options, known) => {
    const error = problemWith(options);

    expect(error.option).toBe(path);
    expect(error.message).toMatch(new RegExp(`is not an option; known are: .*${known}`));
  });

  it.each(['isGlobal', 'dataSource', 'controllers'])('says of %s where it belongs', (extra) => {
    expect(problemWith({ [extra]: {} }).message).toBe(
      `sigra: ${extra} shapes the module itself; give it beside useFactory, not in what that returns`,
    );
  });

  it.each([
    ['nothing at all', undefined],
    ['nothing', {}],
    ['no users', { users: undefined }],
  ])('says what is missing when it is given %s', (_case, options) => {
    expect(() => resolveConfig(options as SigraModuleOptions)).toThrow(
      'sigra: users is missing; give { entity: User } or { provider: MyUserProvider }',
    );
  });

  it.each([
    ['neither', {}],
    ['both', { entity: User, provider: { findByIds: () => [] } }],
  ])('wants one of entity and provider, not %s', (_case, users) => {
    expect(problemWith({ users }).message).toBe('sigra: users needs exactly one of entity and provider');
  });

  it.each([['text'], [{}], [{ findByIds: [] }], [42]])('takes no %p for a provider', (provider) => {
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
    expect(problemWith({ apiTokens: { prefix: 'sigra_rt_' } }).message).toMatch(/is that of refresh tokens/);
  });

  it('holds the default page to a smaller largest one, and refuses a larger one', () => {
    expect(resolve({ apiTokens: { maxPageSize: 10 } }).apiTokens).toMatchObject({ defaultPageSize: 10 });
    expect(problemWith({ apiTokens: { maxPageSize: 10, defaultPageSize: 11 } })).toMatchObject({
      option: 'apiTokens.defaultPageSize',
    });
  });

  it('repeats no text that stands where options belong: it may be a secret', () => {
    for (const section of ['users', 'apiTokens', 'session', 'audit', 'cleanup']) {
      expect(problemWith({ [section]: 's3cret' }).message).not.toContain('s3cret');
    }
  });

  it('has a default for everything but users', () => {
    const { users, ...rest } = resolve({});

    expect(users).toEqual({
      source: { kind: 'entity', entity: User },
      idProperty: 'id',
      isActive: expect.any(Function),
    });
    expect(users.isActive(new User())).toBe(true);
    expect(rest).toEqual({
      apiTokens: {
        prefix: 'sigra_sk_',
        scopes: [],
        writeImpliesRead: false,
        requireExpiry: false,
        maxTtl: undefined,
        activityUpdateThreshold: 300,
        defaultPageSize: 50,
        maxPageSize: 200,
      },
      jwt: undefined,
      session: undefined,
      audit: { enabled: true, retention: undefined },
      cleanup: { schedule: '0 3 * * *', batchSize: 1000, revokedRetention: 7_776_000 },
      realm: 'api',
      lookupTimeout: 2000,
      preparedStatements: true,
    });
  });

  it('takes everything that is right, at its bounds too', () => {
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
      audit: { enabled: false, retention: 3_155_760_000 },
      cleanup: { schedule: '*/10 * * * * *', batchSize: 100_000, revokedRetention: 0 },
      realm: ' !#[]~',
      lookupTimeout: 10,
      preparedStatements: false,
    });

    expect(config).toMatchObject({
      apiTokens: { scopes: ['a', 'a:b:c', 'under_score.dot-dash:9'], activityUpdateThreshold: 0 },
      session: { userId, scopes: [], trustedOrigins: new Set(['https://app.example', 'http://localhost:3000']) },
      cleanup: { schedule: '*/10 * * * * *', revokedRetention: 0 },
    });
    expect(resolve({ session: { userId } }).session).toMatchObject({ scopes: ['*'] });
    expect(resolve({ cleanup: { schedule: false } }).cleanup.schedule).toBe(false);
  });

  it('is frozen, and apart from what the host gave', () => {
    const scopes = ['read'];
    const config = resolve({ apiTokens: { scopes } });

    scopes.push('write');

    expect(config.apiTokens.scopes).toEqual(['read']);
    expect(() => (config.apiTokens.scopes as string[]).push('admin')).toThrow('not extensible');
    expect(() => Object.assign(config.apiTokens, { maxTtl: 1 })).toThrow('read only');
    expect(Object.isFrozen(scopes)).toBe(false);
  });

  it('leaves the host’s own provider as it is', () => {
    const provider = { findByIds: () => Promise.resolve([]), calls: 0 };

    const { users } = resolveConfig({ users: { provider } });
    provider.calls++;

    expect(users.source).toEqual({ kind: 'provider', provider });
    expect(provider.calls).toBe(1);
  });
});
