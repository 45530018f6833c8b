import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';

describe.each(ADAPTERS)('The answer to a refused credential on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  const issue = (expiresAt?: Date): Promise<IssuedApiToken> =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'], expiresAt });

  const get = async (path: string, credential?: string) =>
    answerOf(
      await fetch(test.url + path, {
        headers: credential === undefined ? {} : { authorization: `Bearer ${credential}` },
      }),
    );

  it('has no error code when there is no credential', async () => {
    const answer = await get('/notes/me');

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('is JSON', async () => {
    const response = await fetch(`${test.url}/notes/me`);

    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/);
  });

  it('is the same for a revoked, an expired, an unknown and an ownerless token', async () => {
    const inAMinute = new Date(test.clock.now().getTime() + 60_000);
    const [revoked, expired] = await Promise.all([issue(), issue(inAMinute)]);
    const owner = await test.addUser('leaver@example.com');
    const ownerless = await test.tokens.create(owner, { name: 'CI', scopes: ['read:notes'] });
    const foreign = await startTestApp({ adapter });
    const unknown = await foreign.tokens.create(foreign.user, { name: 'CI', scopes: ['read:notes'] });
    await foreign.close();

    await test.tokens.revoke(revoked.token.id);
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [owner.id]);
    test.clock.set(inAMinute);
    const answers = await Promise.all(
      [revoked, expired, unknown, ownerless].map(({ rawToken }) => get('/notes/me', rawToken)),
    );

    expect(answers).toEqual([INVALID_TOKEN, INVALID_TOKEN, INVALID_TOKEN, INVALID_TOKEN]);
  });

  it('is the same for a token of a deactivated user, until the user is active again', async () => {
    const user = await test.addUser('suspended@example.com');
    const { rawToken } = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] });

    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const suspended = await get('/notes/me', rawToken);
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);
    const afterwards = await get('/notes/me', rawToken);

    expect(suspended).toEqual(INVALID_TOKEN);
    expect(afterwards.status).toBe(200);
  });

  it('is the same for truncated, extended and misspelt tokens, for another prefix, and for other text', async () => {
    const { rawToken } = await issue();
    const last = rawToken.endsWith('a') ? 'b' : 'a';
    const credentials = [
      rawToken.slice(0, -1),
      `${rawToken}a`,
      rawToken.slice(0, -1) + last,
      rawToken.toUpperCase(),
      rawToken.replace('sigra_sk_', 'other_sk_'),
      rawToken.slice('sigra_sk_'.length),
      'sigra_sk_',
      'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.',
      'undefined',
      'null',
    ];

    const answers = await Promise.all(credentials.map((credential) => get('/notes/me', credential)));

    expect(answers).toEqual(credentials.map(() => INVALID_TOKEN));
  });

  it('lists the scopes that a route requires and those that are missing', async () => {
    const { rawToken } = await issue();

    const response = await fetch(`${test.url}/notes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rawToken}` },
    });

    expect(await answerOf(response)).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('lists all alternatives when none is held', async () => {
    const { rawToken } = await issue();

    const answer = await get('/notes/either', rawToken);

    expect(answer).toEqual(insufficientScope(['write:notes', 'admin'], ['write:notes', 'admin']));
  });

  it('accepts one of several alternatives', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'admin', scopes: ['admin'] });

    const answer = await get('/notes/either', rawToken);

    expect(answer.status).toBe(200);
  });

  it('checks the credential before the scopes', async () => {
    const { rawToken, token } = await issue();
    await test.tokens.revoke(token.id);

    const answer = await get('/notes/either', rawToken);

    expect(answer).toEqual(INVALID_TOKEN);
  });

  it('refuses an invalid credential on an optional route, and treats a missing one as anonymous', async () => {
    const { rawToken } = await issue();

    const [anonymous, authenticated, bad] = await Promise.all([
      get('/notes/optional'),
      get('/notes/optional', rawToken),
      get('/notes/optional', `${rawToken}x`),
    ]);

    expect(anonymous).toMatchObject({ status: 200, body: { userId: null } });
    expect(authenticated).toMatchObject({ status: 200, body: { userId: test.user.id } });
    expect(bad).toEqual(INVALID_TOKEN);
  });

  it('reads no credential on an anonymous route', async () => {
    const answer = await get('/notes/open', 'what is this');

    expect(answer).toMatchObject({ status: 200, body: { open: true } });
  });

  it('names the realm of the application', async () => {
    const other = await startTestApp({ adapter, databaseUrl: test.databaseUrl, sigra: { realm: "Ada's notes" } });

    const response = await fetch(`${other.url}/notes/me`);
    await other.close();

    expect(response.headers.get('www-authenticate')).toBe(`Bearer realm="Ada's notes"`);
  });
});
