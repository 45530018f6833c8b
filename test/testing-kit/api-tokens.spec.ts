import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, createApiToken, expiredApiToken, revokedApiToken, scopedApiToken } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { bodyOf, CLIENTS, statusOf } from '../support/http-clients.js';

describe.each(CLIENTS)('tokens of the testing kit through $client', ({ adapter, send }) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  it('open every route by default', async () => {
    const { rawToken, token } = await createApiToken(test.app, test.user);

    const answer = await send(test, 'POST', '/notes', bearer(rawToken));

    expect(statusOf(answer)).toBe(201);
    expect(token).toMatchObject({ name: 'test', scopes: ['*'], ownerId: test.user.id, expiresAt: null });
  });

  it('open only what their scopes allow', async () => {
    const { rawToken, token } = await scopedApiToken(test.app, test.user, ['read:notes']);

    const read = await send(test, 'GET', '/notes', bearer(rawToken));
    const write = await send(test, 'POST', '/notes', bearer(rawToken));

    expect(token.scopes).toEqual(['read:notes']);
    expect([statusOf(read), statusOf(write)]).toEqual([200, 403]);
  });

  it.each([
    { state: 'expired', make: expiredApiToken, code: 'token_expired' },
    { state: 'revoked', make: revokedApiToken, code: 'token_revoked' },
  ])('are rejected if they are $state', async ({ make, code }) => {
    const { rawToken } = await make(test.app, test.user, { scopes: ['read:notes'] });

    const answer = await send(test, 'GET', '/notes', bearer(rawToken));

    expect(statusOf(answer)).toBe(401);
    expect(await bodyOf(answer)).toMatchObject({ error: 'invalid_token' });
    await expect(test.tokens.verify(rawToken)).rejects.toMatchObject({ code });
  });
});
