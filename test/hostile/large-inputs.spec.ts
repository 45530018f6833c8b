import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditService, can, CredentialService, RequireScopes, requireScopes, type SigraError } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { auditRows } from '../support/audit-rows.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, User } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const MB = 1_000_000;
const long = 'a'.repeat(MB);
const distinct = (count: number) => Array.from({ length: count }, (_, index) => `scope:${index}`);
/** 256 scopes of 17 characters: with their spaces, 512 characters too many. */
const wide = Array.from({ length: 256 }, (_, index) => `scope:${String(index).padStart(11, '0')}`);

/** An array of a million elements that counts how many of them are read. */
function counting(element: unknown): { readonly list: never; readonly reads: () => number } {
  let reads = 0;
  const list = new Proxy(new Array(MB).fill(element), {
    get: (target, name) => {
      if (typeof name === 'symbol' || /^\d+$/.test(name)) reads++;
      return Reflect.get(target, name) as unknown;
    },
  });
  return { list: list as never, reads: () => reads };
}

function nested(levels: number): unknown {
  let value: unknown = {};
  for (let level = 1; level < levels; level++) value = { value };
  return value;
}

/** 2^30 numbers in 30 arrays. */
function shared(): unknown {
  let value: unknown = [1, 1];
  for (let level = 1; level < 30; level++) value = [value, value];
  return value;
}

describe('A large input to a service', () => {
  let test: OAuthApp;
  let audit: AuditService;
  let log: QueryLog;

  beforeAll(async () => {
    test = await startOAuthApp();
    audit = test.get(AuditService);
    log = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());
  beforeEach(() => {
    log.clear();
  });

  const create = (request: object) => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'], ...request });
  const append = (details: object) => audit.append(test.dataSource.manager, { action: 'host.event', ...details });
  const rejection = (call: Promise<unknown>) =>
    call.then(
      () => Promise.reject(new Error('it was accepted')),
      (error: unknown) => error as SigraError,
    );

  it.each<[string, string, () => Promise<unknown>]>([
    ['a name of 1 MB', 'name_too_long', () => create({ name: long })],
    ['a name of 1 MB of two code units each', 'name_too_long', () => create({ name: '\u{1f511}'.repeat(MB) })],
    ['a name after 1 MB of spaces', 'name_too_long', () => create({ name: `${' '.repeat(MB)}CI` })],
    ['100,000 scopes', 'invalid_scope_format', () => create({ scopes: distinct(100_000) })],
    ['the same scope 257 times', 'invalid_scope_format', () => create({ scopes: Array(257).fill('admin') })],
    ['a scope of 1 MB', 'invalid_scope_format', () => create({ scopes: [long] })],
    ['a list of 4,608 characters', 'invalid_scope_format', () => create({ scopes: wide })],
    ['a sparse list', 'invalid_scope_format', () => create({ scopes: Object.assign(new Array(2), { 1: 'admin' }) })],
    ['a list of a million holes', 'invalid_scope_format', () => create({ scopes: new Array(MB) })],
    ['a JWT for 100,000 scopes', 'invalid_scope_format', () => test.jwt.generateTokens(test.user, distinct(100_000))],
    ['a JWT for a scope of 1 MB', 'invalid_scope_format', () => test.jwt.generateTokens(test.user, [long])],
    [
      'a refresh for 100,000 scopes',
      'invalid_scope_format',
      () => test.jwt.refresh('x', { scopes: distinct(100_000) }),
    ],
    ['a refresh for 4,608 characters of scopes', 'invalid_scope_format', () => test.jwt.refresh('x', { scopes: wide })],
    ['an API token of 1 MB', 'invalid_token', () => test.tokens.verify(`sigra_sk_${long}`)],
    ['a refresh token of 1 MB', 'invalid_token', () => test.jwt.refresh(`sigra_rt_${long}`)],
    ['a JWT of 1 MB', 'invalid_token', () => test.jwt.verifyAccess(`eyJ${long}`)],
    ['a cursor of 1 MB', 'invalid_cursor', () => test.tokens.listActive(test.user, { cursor: long })],
    ['a limit of 1e300', 'invalid_limit', () => test.tokens.listActive(test.user, { limit: 1e300 })],
    ['an audit cursor of 1 MB', 'invalid_cursor', () => audit.query({ cursor: long })],
    ['an audit limit of 1e300', 'invalid_limit', () => audit.query({ limit: 1e300 })],
    ['an action of 1 MB', 'invalid_event', () => append({ action: long })],
    ['an actor of 1 MB', 'invalid_event', () => append({ actorId: long })],
    ['a type of actor of 256 characters', 'invalid_event', () => append({ actorType: 'x'.repeat(256) })],
    ['a target of 513 characters', 'invalid_event', () => append({ targetId: 'x'.repeat(513) })],
    ['a type of target of 1 MB', 'invalid_event', () => append({ targetType: long })],
    ['metadata of 1 MB', 'invalid_event', () => append({ metadata: { long } })],
    [
      'metadata that escapes make too long',
      'invalid_event',
      () => append({ metadata: { a: '\u0001'.repeat(11_000) } }),
    ],
    ['metadata of 33 levels', 'invalid_event', () => append({ metadata: nested(33) })],
    ['metadata of 100,000 levels', 'invalid_event', () => append({ metadata: nested(100_000) })],
    [
      'metadata of 30 arrays that stand for gigabytes',
      'invalid_event',
      () => append({ metadata: { shared: shared() } }),
    ],
    ['a million holes as metadata', 'invalid_event', () => append({ metadata: { holes: new Array(MB) } })],
  ])('is refused before any query, with a short message: %s', async (_what, code, call) => {
    const error = await rejection(call());

    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(200);
    expect(log.queries).toEqual([]);
  });

  it.each<[string, (scopes: never) => unknown]>([
    ['ApiTokenService.create', (scopes) => create({ scopes })],
    ['generateTokens', (scopes) => test.jwt.generateTokens(test.user, scopes)],
    ['refresh', (scopes) => test.jwt.refresh('x', { scopes })],
    ['can', (scopes) => can({ scopes: ['*'] }, scopes)],
    ['ApiTokenService.can', (scopes) => test.tokens.can({ scopes: ['*'] }, scopes, { match: 'any' })],
    ['requireScopes', (scopes) => requireScopes({ scopes: ['*'] }, { any: scopes })],
    ['@RequireScopes', (scopes) => RequireScopes({ any: scopes })],
  ])('is not read when it is a list of a million scopes: %s', async (_what, call) => {
    const { list, reads } = counting('admin');

    await expect((async () => call(list))()).rejects.toThrow(/at most 256|1 to 256/);
    expect(reads()).toBe(0);
    expect(log.queries).toEqual([]);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['create', (id) => test.tokens.create(id, { name: 'CI', scopes: ['admin'] })],
    ['listActive', (id) => test.tokens.listActive(id)],
    ['revokeAll', (id) => test.tokens.revokeAll(id)],
    ['generateTokens', (id) => test.jwt.generateTokens({ id }, ['admin'])],
    ['lockOut', (id) => test.get(CredentialService).lockOut(id)],
    ['forget', (id) => test.get(CredentialService).forget(id)],
  ])('is a TypeError when it is an owner id of 513 characters: %s', async (_what, call) => {
    await expect(call('x'.repeat(513))).rejects.toThrow(TypeError);
    expect(log.queries).toEqual([]);
  });

  it.each<[string, object]>([
    ['a string of 1 MB', { actorId: long }],
    ['a target of 513 characters', { targetId: 'x'.repeat(513) }],
    ['an outcome of 1 MB', { outcome: long }],
    ['a million strings', { action: counting('x').list }],
  ])('is a filter that no event matches, without a query: %s', async (_what, filter) => {
    expect((await audit.query(filter)).events).toEqual([]);
    expect(log.queries).toEqual([]);
  });

  it('is accepted at the bounds', async () => {
    const metadata = { text: 'x'.repeat(65_536 - '{"text":""}'.length) };
    const id = 'x'.repeat(512);
    const scopes = ['read:notes', 'write:notes', ...Array<string>(254).fill('admin')];

    const { token } = await create({ scopes, name: 'x'.repeat(255) });
    await append({ metadata, actorId: id, targetId: id, targetType: 'x'.repeat(255) });
    await append({ metadata: nested(32) });

    expect(token.scopes).toEqual(['read:notes', 'write:notes', 'admin']);
    expect((await audit.query({ actorId: id })).events).toMatchObject([{ metadata, targetId: id }]);
  });

  it('is cut before it waits for a background write: an address and a user agent', async () => {
    await test.dataSource.query('TRUNCATE sigra_audit_events');

    for (const end of ['1', '2']) {
      const caller = { ipAddress: 'x'.repeat(64) + end.repeat(10_000), userAgent: 'y'.repeat(20_000) };
      await rejection(test.tokens.verify(unknownToken(), caller));
    }
    await flushBackgroundWrites(test.app);

    expect(await auditRows(test.dataSource)).toMatchObject([
      { ip_address: 'x'.repeat(64), metadata: { reason: 'unknown_token', count: 2 } },
    ]);
  });
});

describe('A large input from the application', () => {
  it.each<[string, readonly string[]]>([
    ['257 scopes', distinct(257)],
    ['4,608 characters of scopes', wide],
  ])('is a TypeError when users.scopes returns %s', async (_what, scopes) => {
    const test = await startTestApp({ sigra: { users: { ...SIGRA_OPTIONS.users, scopes: () => scopes } } });

    const created = await test.tokens
      .create(test.user, { name: 'CI', scopes: ['admin'] })
      .catch((error: unknown) => error);
    const answer = await fetch(`${test.url}/notes/me`, { headers: { 'x-session-user': test.user.id } });
    await test.close();

    expect(created).toBeInstanceOf(TypeError);
    expect(answer.status).toBe(500);
  });

  it('stops the boot when session.scopes has more than 256 scopes', () => {
    const boot = (count: number) =>
      resolveConfig({ users: { entity: User }, session: { userId: () => null, scopes: distinct(count) } });

    expect(boot(256).session?.scopes).toHaveLength(256);
    expect(() => boot(257)).toThrow('session.scopes');
  });
});

describe.each(ADAPTERS)('A large request on %s', (adapter) => {
  const FORM = 'application/x-www-form-urlencoded';
  const JSON_TYPE = 'application/json';
  const GRANT = 'grant_type=refresh_token&refresh_token=x';
  const parameters = (count: number) => Array.from({ length: count }, (_, index) => `p${index}=1`).join('&');
  const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, '1']));
  let test: OAuthApp;
  let log: QueryLog;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter });
    log = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());
  beforeEach(() => {
    log.clear();
  });

  it.each<[string, string, string, string]>([
    ['101 parameters', FORM, `${GRANT}&${parameters(99)}`, 'invalid_request'],
    ['101 parameters in JSON', JSON_TYPE, JSON.stringify(fields(101)), 'invalid_request'],
    ['a parameter that is repeated 900 times', FORM, 'scope=a&'.repeat(900) + GRANT, 'invalid_request'],
    ['20,000 words of scope', FORM, `${GRANT}&scope=${'a+'.repeat(20_000)}`, 'invalid_scope'],
    ['257 words of scope', FORM, `${GRANT}&scope=${Array(257).fill('a').join('+')}`, 'invalid_scope'],
    ['a scope of 50 KB', FORM, `${GRANT}&scope=${'a'.repeat(50_000)}`, 'invalid_scope'],
    ['a grant type of 50 KB', FORM, `grant_type=${'a'.repeat(50_000)}`, 'unsupported_grant_type'],
    ['a refresh token of 50 KB', FORM, `${GRANT}${'a'.repeat(50_000)}`, 'invalid_grant'],
    [
      'a value that is nested 20,000 levels deep',
      JSON_TYPE,
      `{"grant_type":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      'invalid_request',
    ],
  ])('for a token is refused without a query and without its text: %s', async (_what, type, body, error) => {
    const answer = await test.postRaw('token', type, body);

    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error });
    expect(JSON.stringify(answer.body).length).toBeLessThan(300);
    expect(log.queries).toEqual([]);
  });

  it('for a token can have 98 unknown parameters', async () => {
    const { refreshToken } = await test.signIn();

    const answer = await test.postRaw(
      'token',
      FORM,
      `grant_type=refresh_token&refresh_token=${refreshToken}&${parameters(98)}`,
    );

    expect(answer.status).toBe(200);
  });

  it.each<[string, object, string]>([
    ['101 fields', fields(101), 'invalid_request'],
    ['3,000 scopes', { name: 'CI', scopes: distinct(3000) }, 'invalid_scope_format'],
    ['a scope of 50 KB', { name: 'CI', scopes: ['a'.repeat(50_000)] }, 'invalid_scope_format'],
    ['a name of 50 KB', { name: 'a'.repeat(50_000), scopes: ['admin'] }, 'name_too_long'],
    ['a name that shows nothing', { name: '\u3164\u{e0041}', scopes: ['admin'] }, 'invalid_name'],
    ['a name that is turned around', { name: 'a\u202eb', scopes: ['admin'] }, 'invalid_name'],
    ['an expiry of 50 KB', { name: 'CI', scopes: ['admin'], expiresAt: '2'.repeat(50_000) }, 'invalid_expiry'],
  ])('for an API token is refused without its text: %s', async (_what, body, error) => {
    const answer = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, 'x-session-user': test.user.id },
      body: JSON.stringify(body),
    });
    const text = await answer.text();

    expect(answer.status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ error });
    expect(text.length).toBeLessThan(300);
    expect((await test.tokens.listActive(test.user)).tokens).toEqual([]);
  });

  it('never gets a credential back that it has as the name of a field', async () => {
    const { accessToken, refreshToken } = await test.signIn();
    const credentials = [unknownToken(), refreshToken, accessToken];

    const answers = await Promise.all(
      credentials.map((credential) =>
        fetch(`${test.url}/api/tokens`, {
          method: 'POST',
          headers: { 'content-type': JSON_TYPE, 'x-session-user': test.user.id },
          body: JSON.stringify({ [credential]: 1 }),
        }).then((answer) => answer.text()),
      ),
    );

    for (const [index, text] of answers.entries()) {
      expect(text).toContain('invalid_request');
      expect(text).not.toContain(credentials[index]!.slice(9, 20));
    }
  });

  it.each<[string, string, Record<string, string>, number]>([
    ['a session id of 8 KB', '/notes/me', { 'x-session-user': 'a'.repeat(8000) }, 401],
    ['a bearer credential of 12 KB', '/notes/me', { authorization: `Bearer ${'a'.repeat(12_000)}` }, 401],
    ['a JWT of 12 KB', '/notes/me', { authorization: `Bearer eyJ${'a'.repeat(12_000)}` }, 401],
    ['12 KB of spaces', '/notes/me', { authorization: `Bearer ${' '.repeat(12_000)}"` }, 400],
    ['12 KB of equals signs', '/notes/me', { authorization: `Bearer a${'='.repeat(12_000)}"` }, 400],
    ['3,000 escaped parameters', `/notes/me?${'%61&'.repeat(3000)}`, {}, 401],
  ])('is refused without a query: %s', async (_what, path, headers, status) => {
    const answer = await fetch(test.url + path, { headers });

    expect(answer.status).toBe(status);
    expect((await answer.text()).length).toBeLessThan(300);
    expect(log.queries).toEqual([]);
  });
});
