import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService, type TokenPair } from 'nestjs-sigra';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { failAudit } from '../support/audit-faults.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

describe.each(ADAPTERS)('JWTs and OAuth endpoints with the database silent, on %s', (adapter) => {
  let test: FaultyApp;
  let pair: TokenPair;

  beforeAll(async () => {
    test = await startFaultyApp(adapter, {
      sigra: { jwt: JWT, controllers: { tokens: 'api/tokens', oauth: 'oauth', jwt: 'api/jwt' } },
    });
    pair = await test.host.app
      .get(SigraJwtService)
      .generateTokens(test.sound.user, ['api_tokens:read', 'oauth:introspect']);
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  const form = (parameters: Record<string, string>) => ({
    method: 'POST',
    body: new URLSearchParams(parameters),
  });
  const bearer = () => ({ authorization: `Bearer ${pair.accessToken}` });
  const requests: [string, () => { path: string; init: RequestInit; code: string }][] = [
    ['a JWT', () => ({ path: '/api/tokens', init: { headers: bearer() }, code: 'unavailable' })],
    [
      'a refresh',
      () => ({
        path: '/oauth/token',
        init: form({ grant_type: 'refresh_token', refresh_token: pair.refreshToken }),
        code: 'temporarily_unavailable',
      }),
    ],
    [
      'a revocation',
      () => ({ path: '/oauth/revoke', init: form({ token: pair.refreshToken }), code: 'temporarily_unavailable' }),
    ],
    [
      'an introspection',
      () => ({
        path: '/oauth/introspect',
        init: { ...form({ token: pair.refreshToken }), headers: bearer() },
        code: 'temporarily_unavailable',
      }),
    ],
    [
      'a sign-in',
      () => ({
        path: '/api/jwt',
        init: {
          method: 'POST',
          headers: { 'x-session-user': test.sound.user.id, 'content-type': 'application/json' },
          body: '{"scopes":["read:notes"]}',
        },
        code: 'unavailable',
      }),
    ],
  ];

  it.each(requests)('%s is answered with 503', async (_what, requestOf) => {
    const { path, init, code } = requestOf();
    test.proxy.silence();

    const response = await fetch(test.host.url + path, init);

    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ error: code });
  });

  it('a refresh with an unknown outcome is answered with 503 and no time to retry, not as invalid or reused', async () => {
    const { refreshToken } = await test.host.app.get(SigraJwtService).generateTokens(test.sound.user, ['read:notes']);
    const reached = test.proxy.silenceAt('INSERT INTO "public"."sigra_refresh_tokens"');

    const response = await fetch(
      `${test.host.url}/oauth/token`,
      form({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    );
    await reached;

    expect([response.status, response.headers.get('retry-after')]).toEqual([503, null]);
    expect(await response.json()).toEqual({
      error: 'outcome_unknown',
      error_description: expect.stringContaining('may have'),
    });
  });

  it('a refresh that loses a race twice is answered with 503 and a time to retry, and the token still works', async () => {
    const { refreshToken } = await test.host.app.get(SigraJwtService).generateTokens(test.sound.user, ['read:notes']);
    const refresh = () =>
      fetch(`${test.host.url}/oauth/token`, form({ grant_type: 'refresh_token', refresh_token: refreshToken }));
    const fault = await failAudit(test.sound.dataSource, '40001', Number.MAX_SAFE_INTEGER);

    const response = await refresh();
    await fault.mend();

    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'The refresh token was not used; try again.',
    });
    expect((await refresh()).status).toBe(200);
  });
});
