import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { jsonOf } from '../support/visitor.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

interface Page {
  projects: { name: string }[];
  nextCursor: string | null;
}

interface Issued {
  rawToken: string;
  token: { id: string };
}

describe.each(ADAPTERS)('the routes of the demo on %s', (adapter) => {
  let demo: Demo;
  let cookies: Record<'ada' | 'grace', string>;

  const send = (path: string, init: RequestInit = {}) => fetch(demo.url + path, init);
  const withToken = (token = demo.token) => ({ authorization: `Bearer ${token}` });
  const json = (body: unknown, headers: Record<string, string> = {}, method = 'POST') => ({
    method,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const signIn = async (email: string) => {
    const answer = await send('/session', json({ email, password: 'sigra-demo' }));
    return answer.headers.getSetCookie()[0]!.split(';')[0]!;
  };

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    cookies = { ada: await signIn('ada@example.com'), grace: await signIn('grace@example.com') };
  });
  afterAll(() => demo.stop());

  it('says who calls, by token and by session', async () => {
    const byToken = await jsonOf<{ id: string }>(send('/api/me', { headers: withToken() }));
    const bySession = await jsonOf(send('/api/me', { headers: { cookie: cookies.ada } }));

    expect(byToken).toEqual({
      id: expect.any(String),
      email: 'ada@example.com',
      auth: {
        method: 'api_token',
        scopes: ['read:projects', 'write:projects', 'api_tokens:read', 'api_tokens:write'],
        tokenId: expect.any(String),
      },
    });
    expect(bySession).toEqual({
      id: byToken.id,
      email: 'ada@example.com',
      auth: { method: 'session', scopes: ['*'] },
    });
  });

  it.each(['/api/me', '/api/projects', '/api/admin/stats', '/api/tokens', '/api/scopes'])(
    'answers %s without a credential with 401, a challenge and JSON, even for browsers',
    async (path) => {
      const answer = await send(path, { headers: { accept: 'text/html' } });

      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="api"');
      expect(await answer.json()).toMatchObject({ statusCode: 401, error: 'unauthorized' });
    },
  );

  it('creates projects, and lists only the user’s own, in pages', async () => {
    const created = await send('/api/projects', json({ name: '  Difference engine ' }, withToken()));
    const hers = await jsonOf<Page>(send('/api/projects', { headers: withToken() }));
    const first = await jsonOf<Page>(send('/api/projects?limit=2', { headers: withToken() }));
    const rest = await jsonOf<Page>(send(`/api/projects?cursor=${first.nextCursor}`, { headers: withToken() }));
    const graces = await jsonOf<Page>(send('/api/projects', { headers: { cookie: cookies.grace } }));

    expect(created.status).toBe(201);
    expect(await created.json()).toEqual({
      id: expect.any(String),
      name: 'Difference engine',
      createdAt: expect.any(String),
    });
    const names = (page: Page) => page.projects.map(({ name }) => name);
    expect(names(hers)).toEqual(['Analytical engine', 'Notes on Bernoulli numbers', 'Difference engine']);
    expect([...names(first), ...names(rest)]).toEqual(names(hers));
    expect(rest.nextCursor).toBeNull();
    expect(names(graces)).toEqual(['Compiler A-0']);
  });

  it.each([
    {},
    { name: '' },
    { name: '   ' },
    { name: 'x'.repeat(101) },
    { name: 7 },
    { name: 'a\0b' },
    { name: 'a', ownerId: 'b' },
  ])('rejects the project %j with 400', async (body) => {
    expect((await send('/api/projects', json(body, withToken()))).status).toBe(400);
  });

  it.each(['limit=0', 'limit=x', 'limit=101', 'cursor=x', 'cursor=a&cursor=b', 'owner=grace'])(
    'rejects the list of projects with the query %s with 400',
    async (query) => {
      expect((await send(`/api/projects?${query}`, { headers: withToken() })).status).toBe(400);
    },
  );

  it('serves statistics only to administrators whose credential has the scope', async () => {
    const issue = async (cookie: string) => {
      const request = json({ name: 'Admin', scopes: ['admin'] }, { cookie });
      return (await jsonOf<Issued>(send('/api/tokens', request))).rawToken;
    };

    const bySession = await send('/api/admin/stats', { headers: { cookie: cookies.ada } });
    const byToken = await send('/api/admin/stats', { headers: withToken(await issue(cookies.ada)) });
    const withoutScope = await send('/api/admin/stats', { headers: withToken() });
    const graces = await send('/api/admin/stats', { headers: { cookie: cookies.grace } });
    const gracesToken = await send('/api/admin/stats', { headers: withToken(await issue(cookies.grace)) });

    expect(await bySession.json()).toMatchObject({ users: 2, activeTokens: expect.any(Number) });
    expect(byToken.status).toBe(200);
    expect(withoutScope.status).toBe(403);
    expect(await withoutScope.json()).toMatchObject({ error: 'insufficient_scope', missing: ['admin'] });
    expect(graces.status).toBe(403);
    expect(gracesToken.status).toBe(403);
  });

  it('manages tokens under /api/tokens, and lists scopes under /api/scopes', async () => {
    const created = await send('/api/tokens', json({ name: 'CI', scopes: ['read:projects'] }, withToken()));
    const { rawToken, token } = (await created.json()) as Issued;
    const used = await send('/api/projects', { headers: withToken(rawToken) });
    const rotated = await send(`/api/tokens/${token.id}/rotate`, { method: 'POST', headers: withToken() });
    const successor = ((await rotated.json()) as Issued).token.id;
    const revoked = await send(`/api/tokens/${successor}`, { method: 'DELETE', headers: withToken() });
    const scopes = await jsonOf(send('/api/scopes', { headers: withToken() }));

    expect(created.status).toBe(201);
    expect(created.headers.get('cache-control')).toBe('no-store');
    expect(used.status).toBe(200);
    expect(rotated.status).toBe(201);
    expect(revoked.status).toBe(204);
    expect(scopes).toEqual({
      scopes: expect.arrayContaining(['read:projects', 'write:projects', 'admin']),
      kinds: [{ name: null, prefix: 'sigra_sk_', scopes: null, ownerTypes: null, requireExpiry: false, maxTtl: null }],
      catalogue: expect.arrayContaining([expect.objectContaining({ name: 'admin', title: expect.any(String) })]),
    });
  });

  it('accepts changes by a session only from its own origin, and by a token from anywhere', async () => {
    const elsewhere = { origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' };

    const bySession = await send('/api/projects', json({ name: 'Planted' }, { cookie: cookies.ada, ...elsewhere }));
    const byToken = await send('/api/projects', json({ name: 'Wanted' }, { ...withToken(), ...elsewhere }));

    expect(bySession.status).toBe(403);
    expect(await bySession.json()).toMatchObject({ error: 'cross_origin' });
    expect(byToken.status).toBe(201);
  });

  it('sends a strict Content-Security-Policy with every answer', async () => {
    for (const path of ['/login', '/docs', '/api/me', '/nowhere']) {
      const answer = await send(path);

      const policy = answer.headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none';script-src 'self';style-src 'self'");
      expect(policy).not.toContain('unsafe');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('x-powered-by')).toBeNull();
    }
  });

  it('answers 404 with a page for browsers, and with JSON for API clients', async () => {
    const page = await send('/nowhere', { headers: { accept: 'text/html' } });
    const api = await send('/api/nowhere', { headers: { accept: 'text/html' } });

    expect(page.status).toBe(404);
    expect(await page.text()).toContain('<h1>There is nothing here</h1>');
    expect(api.status).toBe(404);
    expect(await api.json()).toMatchObject({ statusCode: 404 });
  });
});
