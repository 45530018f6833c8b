import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, type IssuedApiToken, SigraJwtService } from 'nestjs-sigra';
import { DpopClient } from '../support/dpop-client.js';
import { type FaultyApp, LOOKUP_TIMEOUT, startFaultyApp } from '../support/faulty-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';

/** What each answer of the database takes, in milliseconds: more than half of what a request has. */
const DELAY = 700;
/** What a handler has at least, in milliseconds, and what a busy machine needs. */
const LEAST = 500;
const MARGIN = 150;
const BASE = 'https://api.example';

/** The status of an answer, and when it arrived, in milliseconds. */
async function timed(request: () => Promise<Response>): Promise<{ status: number; took: number }> {
  const start = performance.now();
  const { status } = await request();
  return { status, took: performance.now() - start };
}

describe.each(ADAPTERS)('One deadline for a request, on %s', (adapter) => {
  let test: FaultyApp;
  let issued: IssuedApiToken;
  let bearer: Record<string, string>;
  let claimsHang = false;

  beforeAll(async () => {
    const claims = () => (claimsHang ? new Promise<never>(() => undefined) : {});
    test = await startFaultyApp(adapter, {
      sigra: {
        jwt: { ...JWT, claims, dpop: { mode: 'optional', baseUrls: [BASE] } },
        controllers: { tokens: 'api/tokens', oauth: 'oauth', jwt: 'api/jwt' },
      },
    });
    const scopes = ['api_tokens:read', 'api_tokens:write', 'sessions:read', 'oauth:introspect'];
    issued = await test.host.app.get(ApiTokenService).create(test.sound.user, { name: 'CI', scopes });
    bearer = { authorization: `Bearer ${issued.rawToken}` };
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  const send = (method: string, path: string, headers = bearer, body?: object | URLSearchParams) =>
    fetch(test.host.url + path, {
      method,
      headers: {
        ...headers,
        ...(body && !(body instanceof URLSearchParams) && { 'content-type': 'application/json' }),
      },
      ...(body && { body: body instanceof URLSearchParams ? body : JSON.stringify(body) }),
    });

  /** @param text the database falls silent before a message with this text. @default it answers, slowly */
  async function expectInTime(request: () => Promise<Response>, text?: string): Promise<void> {
    // With a new connection, the guard would use up all of the time.
    expect((await send('GET', '/api/tokens')).status).toBe(200);
    test.proxy.delayAnswers(DELAY);
    if (text !== undefined) void test.proxy.silenceAt(text);

    const { status, took } = await timed(request);

    expect(status).toBe(503);
    expect(took).toBeGreaterThan(DELAY);
    expect(took).toBeLessThan(LOOKUP_TIMEOUT + LEAST + MARGIN);
  }

  it.each<[string, string, () => Promise<Response>]>([
    ['a list of tokens', 'ORDER BY t.created_at', () => send('GET', '/api/tokens')],
    ['a list of families', 'ORDER BY f.created_at', () => send('GET', '/api/jwt')],
    ['a creation', 'START', () => send('POST', '/api/tokens', bearer, { name: 'A', scopes: ['api_tokens:read'] })],
    ['a change', 'START', () => send('PATCH', `/api/tokens/${issued.token.id}`, bearer, { name: 'B' })],
    ['a revocation', 'START', () => send('DELETE', `/api/tokens/${issued.token.id}`)],
  ])('answers %s in time when the database falls silent behind the guard', async (_what, text, request) => {
    await expectInTime(request, text);
  });

  it('answers an introspection in time, whatever it reads', async () => {
    const jwt = test.host.app.get(SigraJwtService);
    const { refreshToken } = await jwt.generateTokens(test.sound.user, ['read:notes']);

    await expectInTime(() => send('POST', '/oauth/introspect', bearer, new URLSearchParams({ token: refreshToken })));
  });

  it('answers a revocation by a client in time, whatever it reads', async () => {
    const { refreshToken } = await test.host.app.get(SigraJwtService).generateTokens(test.sound.user, ['read:notes']);
    const client = Buffer.from(`${issued.token.id}:${issued.rawToken}`).toString('base64');
    const headers = { authorization: `Basic ${client}` };

    await expectInTime(() => send('POST', '/oauth/revoke', headers, new URLSearchParams({ token: refreshToken })));
  });

  it('answers a refresh in time when the claims of the application do not come', async () => {
    const { refreshToken } = await test.host.app.get(SigraJwtService).generateTokens(test.sound.user, ['read:notes']);
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });
    claimsHang = true;

    const { status, took } = await timed(() => send('POST', '/oauth/token', {}, form));

    claimsHang = false;
    expect(status).toBe(503);
    expect(took).toBeLessThan(LOOKUP_TIMEOUT + LEAST + MARGIN);
  });

  it('answers a request in time when the database falls silent before it has recorded the proof', async () => {
    const client = new DpopClient();
    const binding = { dpopThumbprint: client.thumbprint };
    const jwt = test.host.app.get(SigraJwtService);
    const { accessToken } = await jwt.generateTokens(test.sound.user, ['api_tokens:read'], {}, binding);
    const headers = client.headers('GET', `${BASE}/api/tokens`, accessToken);

    await expectInTime(() => send('GET', '/api/tokens', headers), 'sigra_dpop_proofs');
  });
});

describe.each(ADAPTERS)('One deadline for a token and its user, on %s', (adapter) => {
  let test: FaultyApp;
  let hangs = false;

  beforeAll(async () => {
    const findByIds = (ids: readonly string[]) =>
      hangs ? new Promise<never>(() => undefined) : Promise.resolve(ids.map((id) => ({ id })));
    test = await startFaultyApp(adapter, { sigra: { users: { type: 'customer', provider: { findByIds } } } as never });
  });
  afterAll(() => test.close());

  it('answers in time when the application does not find the user', async () => {
    const { rawToken } = await test.host.app
      .get(ApiTokenService)
      .create('7', { name: 'CI', scopes: ['api_tokens:read'] });
    const list = () => fetch(`${test.host.url}/api/tokens`, { headers: { authorization: `Bearer ${rawToken}` } });
    expect((await list()).status).toBe(200);
    hangs = true;
    test.proxy.delayAnswers(DELAY);

    const { status, took } = await timed(list);

    expect(status).toBe(503);
    expect(took).toBeLessThan(LOOKUP_TIMEOUT + LEAST + MARGIN);
  });
});
