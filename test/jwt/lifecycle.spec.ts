import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService, type TokenResponse } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

const JWT = { enabled: true, issuer: 'https://issuer.example', audience: 'api', secret: 's'.repeat(32) };

describe.each(ADAPTERS)('JWTs over HTTP on %s', (adapter) => {
  let test: TestApp;
  let jwt: SigraJwtService;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      sigra: { jwt: JWT, controllers: { oauth: 'oauth', jwks: '.well-known', jwt: 'api/jwt' } },
    });
    jwt = test.get(SigraJwtService);
  });
  afterAll(() => test.close());

  const refresh = (refreshToken: string) =>
    fetch(`${test.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    });

  it('issues a pair to a session, accepts the access token, and rotates the refresh token', async () => {
    const issued = await fetch(`${test.url}/api/jwt`, {
      method: 'POST',
      headers: { 'x-session-user': test.user.id, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['read:notes'] }),
    });
    const pair = (await issued.json()) as TokenResponse;

    const me = await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${pair.access_token}` } });
    const rotated = await refresh(pair.refresh_token);
    const again = await refresh(pair.refresh_token);
    const successor = await refresh(((await rotated.json()) as TokenResponse).refresh_token);

    expect(issued.status).toBe(200);
    expect(await me.json()).toMatchObject({ userId: test.user.id, method: 'jwt', scopes: ['read:notes'] });
    expect(rotated.status).toBe(200);
    expect(again.status).toBe(400);
    expect(await again.json()).toMatchObject({ error: 'invalid_grant' });
    expect(successor.status).toBe(400);
  });

  it('ends every JWT at once when the user signs out everywhere', async () => {
    const pair = await jwt.generateTokens(test.user, ['read:notes']);

    await jwt.signOutEverywhere(test.user);
    const me = await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${pair.accessToken}` } });

    expect(me.status).toBe(401);
    expect(me.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });
});
