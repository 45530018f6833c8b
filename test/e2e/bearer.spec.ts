import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

describe.each(ADAPTERS)('API tokens over HTTP on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  it('are accepted until they are revoked, and refused from the next request on', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const headers = { authorization: `Bearer ${rawToken}` };

    const before = await fetch(`${test.url}/notes/me`, { headers });
    await test.tokens.revoke(token.id);
    const after = await fetch(`${test.url}/notes/me`, { headers });

    expect(before.status).toBe(200);
    expect(await before.json()).toEqual({
      userId: test.user.id,
      method: 'api_token',
      scopes: ['read:notes'],
      tokenId: token.id,
      email: 'ada@example.com',
    });
    expect(after.status).toBe(401);
    expect(after.headers.get('www-authenticate')).toMatch(/^Bearer realm="api", error="invalid_token"/);
  });
});
