import { Controller, Get } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CurrentPrincipal, OptionalAuth, type Principal } from 'nestjs-sigra';
import { ADAPTERS } from '../support/test-app.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

@Controller('me')
class MeController {
  @Get()
  me(@CurrentPrincipal() { userId }: Principal) {
    return { userId };
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return { userId: principal?.userId ?? null };
  }
}

const FAULTS = ['cut off', 'silent'] as const;
const VARIANTS = ADAPTERS.flatMap((adapter) => FAULTS.map((fault) => ({ adapter, fault })));

describe.each(VARIANTS)('With the database $fault, on $adapter', ({ adapter, fault }) => {
  let test: FaultyApp;
  let bearer: Record<string, string>;
  let session: Record<string, string>;
  let tokenId: string;
  let isBroken = false;

  beforeAll(async () => {
    test = await startFaultyApp(adapter, { controllers: [MeController] });
    const { rawToken, token } = await test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['*'] });
    tokenId = token.id;
    bearer = { authorization: `Bearer ${rawToken}` };
    session = { 'x-session-user': test.sound.user.id };
  });
  afterEach(repair);
  afterAll(() => test.close());

  async function breakDown(): Promise<void> {
    isBroken = true;
    if (fault === 'silent') test.proxy.silence();
    else await test.proxy.cut();
  }
  async function repair(): Promise<void> {
    if (!isBroken) return;
    isBroken = false;
    if (fault === 'silent') test.proxy.speak();
    else await test.proxy.mend();
  }
  const send = async (method: string, path: string, headers: Record<string, string>, body?: object) => {
    const response = await fetch(test.host.url + path, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      challenge: response.headers.get('www-authenticate'),
      body: JSON.parse((await response.text()) || 'null') as unknown,
    };
  };
  const unavailable = {
    status: 503,
    retryAfter: '1',
    challenge: null,
    body: {
      statusCode: 503,
      error: 'unavailable',
      message: expect.stringMatching(/^The database did not answer( in time)?\.$/),
    },
  };
  /** Sends each request twice, over existing and over new connections, and once more after recovery. */
  async function expectUnavailable(recovered: number, ...requests: (() => ReturnType<typeof send>)[]): Promise<void> {
    const sendAll = () => Promise.all(requests.map((request) => request()));
    await breakDown();
    const first = await sendAll();
    const second = await sendAll();
    await repair();
    const after = await sendAll();

    expect([...first, ...second]).toEqual([...requests, ...requests].map(() => unavailable));
    expect(after.map(({ status }) => status)).toEqual(requests.map(() => recovered));
  }

  it('a token is answered with 503 and Retry-After, not with 401', async () => {
    await expectUnavailable(200, () => send('GET', '/me', bearer));
  });

  it('a session is answered with 503 and Retry-After, not with 401', async () => {
    await expectUnavailable(200, () => send('GET', '/me', session));
  });

  it('a request with a token is not served as anonymous where authentication is optional', async () => {
    await expectUnavailable(200, () => send('GET', '/me/optional', bearer));
  });

  it.each<[string, string, number, object | undefined]>([
    ['GET', '/api/tokens', 200, undefined],
    ['POST', '/api/tokens', 201, { name: 'x', scopes: ['read:notes'] }],
    ['GET', '/api/scopes', 200, undefined],
  ])('%s %s is answered with 503 for a token and for a session', async (method, path, recovered, body) => {
    await expectUnavailable(
      recovered,
      () => send(method, path, bearer, body),
      () => send(method, path, session, body),
    );
  });

  it('rotate, revoke and revoke all are answered with 503, and have no effect', async () => {
    const requests = [
      () => send('POST', `/api/tokens/${tokenId}/rotate`, session),
      () => send('DELETE', `/api/tokens/${tokenId}`, session),
      () => send('DELETE', '/api/tokens', session),
    ];

    await breakDown();
    const answers = await Promise.all(requests.map((request) => request()));
    await repair();
    const after = await send('GET', '/me', bearer);

    expect(answers).toEqual([unavailable, unavailable, unavailable]);
    expect(after.status).toBe(200);
  });

  it('requests that need no database are answered as usual', async () => {
    await breakDown();
    const answers = await Promise.all([
      send('GET', '/me', {}),
      send('GET', '/me', { authorization: 'Bearer sigra_sk_malformed' }),
      send('GET', '/me', { authorization: 'Bearer' }),
      send('GET', '/me/optional', {}),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 400, 200]);
  });

  it('a hundred concurrent requests are all answered with 503, and all succeed after recovery', async () => {
    await breakDown();
    const during = await Promise.all(Array.from({ length: 100 }, () => send('GET', '/me', bearer)));
    await repair();
    const after = await Promise.all(Array.from({ length: 100 }, () => send('GET', '/me', bearer)));

    expect(new Set(during.map(({ status }) => status))).toEqual(new Set([503]));
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([200]));
  });
});
