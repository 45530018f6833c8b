import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('sessions of the demo on %s', (adapter) => {
  let demo: Demo;

  const send = (path: string, init: RequestInit = {}) => fetch(demo.url + path, init);
  const signIn = (body: unknown, headers: Record<string, string> = {}) =>
    send('/session', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const cookieOf = (answer: Response) => answer.headers.getSetCookie()[0]!.split(';')[0]!;
  const ADA = { email: 'ada@example.com', password: 'sigra-demo' };

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('start with 204 and a cookie that scripts and other sites cannot use', async () => {
    const answer = await signIn({ ...ADA, email: ' Ada@Example.com' });

    expect(answer.status).toBe(204);
    expect(answer.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^sigra_demo=.*; Path=\/; Expires=.*; HttpOnly; SameSite=Lax$/),
    ]);
  });

  it.each([
    { email: 'ada@example.com', password: 'sigra-demi' },
    { email: 'nobody@example.com', password: 'sigra-demo' },
    { email: 'ada@example.com\0', password: 'sigra-demo' },
    { email: '', password: '' },
  ])('are refused for $email with $password, without a cookie', async (credentials) => {
    const answer = await signIn(credentials);

    expect(answer.status).toBe(401);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it.each([{}, { email: 'ada@example.com' }, { email: ['ada@example.com'], password: { a: 1 } }, [], 'text'])(
    'are refused for the body %j with 400',
    async (body) => {
      expect((await signIn(body)).status).toBe(400);
    },
  );

  it('have a new id after every sign-in', async () => {
    const first = cookieOf(await signIn(ADA));

    const second = cookieOf(await signIn(ADA, { cookie: first }));

    expect(second).not.toBe(first);
    expect((await send('/api/me', { headers: { cookie: first } })).status).toBe(401);
    expect((await send('/api/me', { headers: { cookie: second } })).status).toBe(200);
  });

  it('end with 204, and their cookie is refused afterwards', async () => {
    const cookie = cookieOf(await signIn(ADA));

    const answer = await send('/session', { method: 'DELETE', headers: { cookie } });

    expect(answer.status).toBe(204);
    expect(answer.headers.getSetCookie()).toEqual([expect.stringContaining('sigra_demo=; Path=/;')]);
    expect((await send('/api/me', { headers: { cookie } })).status).toBe(401);
  });

  it('can be ended without a session', async () => {
    expect((await send('/session', { method: 'DELETE' })).status).toBe(204);
  });

  it.each(['POST', 'DELETE'])('refuse a %s /session from another site', async (method) => {
    const credentials = new URLSearchParams(ADA);
    const body = method === 'POST' ? credentials : null;

    const answer = await send('/session', { method, body, headers: { 'sec-fetch-site': 'cross-site' } });

    expect(answer.status).toBe(403);
    expect(answer.headers.getSetCookie()).toEqual([]);
  });
});
