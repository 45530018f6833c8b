import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, insufficientScope, INVALID_TOKEN, MALFORMED_HEADER, UNAUTHORIZED } from '../support/answers.js';

describe.each(ADAPTERS)('A browser session on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  const get = async (headers: Record<string, string>, path = '/notes/me') =>
    answerOf(await fetch(test.url + path, { headers }));

  it('authenticates its user, with all scopes', async () => {
    const answer = await get({ 'x-session-user': test.user.id });

    expect(answer).toMatchObject({
      status: 200,
      body: { userId: test.user.id, method: 'session', scopes: ['*'], email: 'ada@example.com' },
    });
    expect(answer.body).not.toHaveProperty('tokenId');
  });

  it.each([
    ['that is malformed', 'Bearer', MALFORMED_HEADER],
    ['that is invalid', 'Bearer sigra_sk_nonsense', INVALID_TOKEN],
    ['of another kind', 'Bearer eyJhbGciOiJub25lIn0.e30.', INVALID_TOKEN],
    ['of another scheme', 'Basic YWRhOnNlY3JldA==', UNAUTHORIZED],
  ])('does not replace a credential %s', async (_what, authorization, refusal) => {
    const answer = await get({ 'x-session-user': test.user.id, authorization });

    expect(answer).toEqual(refusal);
  });

  it('does not replace a revoked token of its own user', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    await test.tokens.revoke(token.id);

    const answer = await get({ 'x-session-user': test.user.id, authorization: `Bearer ${rawToken}` });

    expect(answer).toEqual(INVALID_TOKEN);
  });

  it('gives way to a valid token of another user, and adds nothing to it', async () => {
    const grace = await test.addUser('grace@example.com');
    const { rawToken, token } = await test.tokens.create(grace, { name: 'CI', scopes: ['read:notes'] });
    const headers = { 'x-session-user': test.user.id, authorization: `Bearer ${rawToken}` };

    const who = await get(headers);
    const beyondToken = await get(headers, '/notes/either');

    expect(who).toMatchObject({
      status: 200,
      body: {
        userId: grace.id,
        email: 'grace@example.com',
        method: 'api_token',
        scopes: ['read:notes'],
        tokenId: token.id,
      },
    });
    expect(beyondToken).toEqual(insufficientScope(['write:notes', 'admin'], ['write:notes', 'admin']));
  });

  it.each([
    ['empty', ''],
    ['unknown', '00000000-0000-7000-8000-000000000000'],
    ['of another type', "1' OR '1'='1"],
    ['a wildcard', '%'],
    ['an inherited property', '__proto__'],
  ])('counts as absent when its user id is %s', async (_what, id) => {
    const answer = await get({ 'x-session-user': id });

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('ends with the next request when its user is deactivated or deleted', async () => {
    const user = await test.addUser('leaver@example.com');
    const headers = { 'x-session-user': user.id };

    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const deactivated = await get(headers);
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);
    const active = await get(headers);
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);
    const deleted = await get(headers);

    expect(deactivated).toEqual(UNAUTHORIZED);
    expect(active.status).toBe(200);
    expect(deleted).toEqual(UNAUTHORIZED);
  });

  it('counts as anonymous on an optional route when its user does not exist', async () => {
    const answer = await get({ 'x-session-user': '00000000-0000-7000-8000-000000000000' }, '/notes/optional');

    expect(answer).toMatchObject({ status: 200, body: { userId: null } });
  });

  it('never exposes a column that the entity does not select', async () => {
    const rows: unknown = await test.dataSource.query('SELECT password_hash FROM users WHERE id = $1', [test.user.id]);

    const answer = await get({ 'x-session-user': test.user.id });

    expect(rows).toEqual([{ password_hash: 'secret' }]);
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  it('has the scopes that the application gives it', async () => {
    const scopes = ['read:notes'];
    const other = await startTestApp({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: { session: { ...SIGRA_OPTIONS.session, scopes } },
    });
    const headers = { 'x-session-user': test.user.id };

    const [allowed, refused] = await Promise.all([
      fetch(`${other.url}/notes`, { headers }),
      fetch(`${other.url}/notes`, { headers, method: 'POST' }),
    ]);
    const answer = await answerOf(refused);
    await other.close();

    expect(allowed.status).toBe(200);
    expect(answer).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('is never accepted by an application without sessions', async () => {
    const other = await startTestApp({ adapter, databaseUrl: test.databaseUrl, sigra: { session: undefined } });

    const response = await fetch(`${other.url}/notes/me`, { headers: { 'x-session-user': test.user.id } });
    const answer = await answerOf(response);
    await other.close();

    expect(answer).toEqual(UNAUTHORIZED);
  });
});
