import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { refusalOf } from '../support/refusal.js';
import { claimsOf, closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, type User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const READER = ['read:notes', 'api_tokens:*', 'profile:read'];

describe('users.scopes', () => {
  let test: JwtApp;
  let admins: Set<string>;

  beforeAll(async () => {
    admins = new Set();
    const scopes = (user: User) => (admins.has(user.id) ? ['*'] : READER);
    test = await startJwtApp({}, { sigra: { users: { ...SIGRA_OPTIONS.users, scopes } } });
  });
  afterAll(() => test.close());
  afterEach(() => admins.clear());

  const me = async (headers: Record<string, string>) => (await fetch(`${test.url}/notes/me`, { headers })).json();

  it('limits a session, also with session.scopes of *', async () => {
    expect(await me({ 'x-session-user': test.user.id })).toMatchObject({ method: 'session', scopes: READER });
    const write = await fetch(`${test.url}/notes`, { method: 'POST', headers: { 'x-session-user': test.user.id } });
    expect(write.status).toBe(403);
  });

  it('prevents an ordinary session from giving itself an admin token', async () => {
    const client = TokenClient.inSession(test);

    const answers = await Promise.all(
      [['admin'], ['*'], ['write:notes'], ['read:*']].map((scopes) => client.create({ name: 'mine', scopes })),
    );

    expect(answers.map(({ status, body }) => [status, body.error])).toEqual(
      Array.from({ length: 4 }, () => [403, 'insufficient_scope']),
    );
    expect((await client.create({ name: 'mine', scopes: ['read:notes', 'api_tokens:read'] })).status).toBe(201);
  });

  it('limits what the application grants, for API tokens and families', async () => {
    const request = { name: 'CI', scopes: ['admin'] };

    expect(await refusalOf(test.tokens.create(test.user, request))).toBe('insufficient_scope');
    expect(await refusalOf(test.tokens.create(test.user.id, request))).toBe('insufficient_scope');
    expect(await refusalOf(test.jwt.generateTokens(test.user, ['admin']))).toBe('insufficient_scope');
  });

  it('lets a person end their own tokens with scopes that they cannot have any more', async () => {
    const user = await test.addUser('demoted@example.com');
    admins.add(user.id);
    const issue = () => test.tokens.create(user, { name: 'CI', scopes: ['admin', '*'] });
    const [one, another] = [await issue(), await issue()];
    admins.clear();
    const client = TokenClient.inSession(test, user.id);

    const revoked = await client.revoke(one.token.id);
    const rotated = await client.rotate(another.token.id);
    const all = await client.revokeAll();

    expect([revoked.status, rotated.status, all.status]).toEqual([204, 403, 200]);
    expect(await refusalOf(test.tokens.verify(one.rawToken))).toBe('token_revoked');
    expect(await refusalOf(test.tokens.verify(another.rawToken))).toBe('token_revoked');
  });

  it('limits what old credentials still grant, from the next request on, and gives it back', async () => {
    admins.add(test.user.id);
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:*', 'admin'] });
    const pair = await test.jwt.generateTokens(test.user, ['*']);
    const bearer = (credential: string) => me({ authorization: `Bearer ${credential}` });
    const before = [await bearer(rawToken), await bearer(pair.accessToken)];

    admins.clear();
    const demoted = [await bearer(rawToken), await bearer(pair.accessToken)];
    const verified = await test.tokens.verify(rawToken);
    const refreshed = await test.jwt.refresh(pair.refreshToken);
    admins.add(test.user.id);
    const after = await bearer(rawToken);

    expect(before).toMatchObject([{ scopes: ['read:*', 'admin'] }, { scopes: ['*'] }]);
    expect(demoted).toMatchObject([{ scopes: ['read:notes'] }, { scopes: READER }]);
    expect(verified.scopes).toEqual(['read:notes']);
    expect(claimsOf(refreshed.accessToken).scope).toBe(READER.join(' '));
    expect(after).toMatchObject({ scopes: ['read:*', 'admin'] });
  });

  it('limits a refresh that asks for scopes', async () => {
    admins.add(test.user.id);
    const pair = await test.jwt.generateTokens(test.user, ['*']);
    admins.clear();

    expect(await refusalOf(test.jwt.refresh(pair.refreshToken, { scopes: ['admin'] }))).toBe('insufficient_scope');
    const narrowed = await test.jwt.refresh(pair.refreshToken, { scopes: ['read:notes'] });

    expect(narrowed.scope).toBe('read:notes');
  });
});

describe('users.scopes that is wrong', () => {
  let test: TestApp;
  let ceiling: unknown;

  beforeAll(async () => {
    const scopes = () => ceiling as string[];
    test = await startTestApp({ sigra: { users: { ...SIGRA_OPTIONS.users, scopes } } });
  });
  afterAll(() => test.close());
  afterEach(closeJwtApps);

  it.each([
    ['undefined', undefined],
    ['a promise', Promise.resolve(['*'])],
    ['a string', '*'],
    ['an invalid scope', ['Not A Scope']],
  ])('lets no request in when it returns %s', async (_what, value) => {
    ceiling = value;

    const answer = await fetch(`${test.url}/notes/me`, { headers: { 'x-session-user': test.user.id } });

    expect(answer.status).toBe(500);
  });

  it('grants nothing when it returns an empty array', async () => {
    ceiling = [];

    const answer = await fetch(`${test.url}/notes`, { headers: { 'x-session-user': test.user.id } });

    expect(answer.status).toBe(403);
  });

  it('fails at boot beside a check that reads no user', async () => {
    const users = { ...SIGRA_OPTIONS.users, scopes: () => ['*'] };

    await expect(startJwtApp({ check: 'stateless' }, { sigra: { users } })).rejects.toThrow(
      /users\.scopes needs the user of each request/,
    );
  });
});
