import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the pages of the demo on %s', (adapter) => {
  let demo: Demo;
  const credentials = { email: 'ada@example.com', password: 'sigra-demo' };

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it.each([
    ['/settings/tokens', '/login'],
    ['/organization', '/login?next=%2Forganization'],
    ['/settings/metrics', '/login?next=%2Fsettings%2Fmetrics'],
    ['/settings/audit', '/login?next=%2Fsettings%2Faudit'],
    ['/settings/audit?cursor=a%26b', '/login?next=%2Fsettings%2Faudit%3Fcursor%3Da%2526b'],
  ])('redirect visitors without a session from %s to %s', async (path, location) => {
    const answer = await new Visitor(demo.url).get(path);

    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(location);
  });

  it('redirect a form without a session to the sign-in page', async () => {
    const answer = await new Visitor(demo.url).post('/settings/devices/sign-out-everywhere');

    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('/login');
  });

  it.each([
    ['/settings/audit?cursor=a', '/settings/audit?cursor=a'],
    ['/settings/../settings/audit', '/settings/audit'],
    ['https://elsewhere.example/', '/settings/tokens'],
    ['//elsewhere.example/', '/settings/tokens'],
    ['/\\elsewhere.example/', '/settings/tokens'],
    ['/\t/elsewhere.example/', '/settings/tokens'],
    ['/.//elsewhere.example/', '/settings/tokens'],
    ['javascript:alert(1)', '/settings/tokens'],
    ['', '/settings/tokens'],
  ])('with next=%j, redirect to %j after sign-in', async (next, location) => {
    const answer = await new Visitor(demo.url).post('/login', { ...credentials, next });

    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(location);
  });

  it('keep the email and show the error if sign-in fails', async () => {
    const answer = await new Visitor(demo.url).post('/login', { email: '"><b>ada', password: 'x', next: '/docs' });

    const html = await answer.text();
    expect(answer.status).toBe(401);
    expect(html).toContain('role="alert" id="sign-in-error">Wrong email or password.<');
    expect(html).toContain('value="&quot;&gt;&lt;b&gt;ada"');
    expect(html).toContain('name="next" value="/docs"');
    expect(html).not.toContain('value="x"');
  });

  it('refuse a sign-in form from another site', async () => {
    const visitor = new Visitor(demo.url);

    const answer = await visitor.post('/login', credentials, { 'sec-fetch-site': 'cross-site' });
    const byOrigin = await visitor.send('/login', {
      method: 'POST',
      body: new URLSearchParams(credentials),
      headers: { origin: 'https://elsewhere.example' },
    });

    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('<h1>That is not allowed</h1>');
    expect(byOrigin.status).toBe(403);
    expect((await visitor.get('/settings/tokens')).status).toBe(303);
  });

  it.each(['/settings/devices/sign-out-everywhere', '/logout'])(
    'refuse a form to %s from another site, even with a session',
    async (path) => {
      const ada = await new Visitor(demo.url).signIn();

      const answer = await ada.post(path, {}, { 'sec-fetch-site': 'same-site' });

      expect(answer.status).toBe(403);
      expect((await ada.get('/settings/tokens')).status).toBe(200);
    },
  );

  it('do not accept a token instead of a session', async () => {
    const headers = { authorization: `Bearer ${demo.token}` };

    const page = await fetch(`${demo.url}/settings/tokens`, { headers, redirect: 'manual' });
    const form = await fetch(`${demo.url}/settings/devices/sign-out-everywhere`, {
      method: 'POST',
      headers,
      redirect: 'manual',
    });

    expect([page.status, form.status]).toEqual([303, 303]);
    expect((await fetch(`${demo.url}/api/me`, { headers })).status).toBe(200);
  });

  it('sign out, and require a sign-in afterwards', async () => {
    const ada = await new Visitor(demo.url).signIn();

    const answer = await ada.post('/logout');

    expect(answer.headers.get('location')).toBe('/login');
    expect((await ada.get('/settings/tokens')).headers.get('location')).toBe('/login');
  });

  it('forbid caching', async () => {
    const ada = await new Visitor(demo.url).signIn();

    for (const path of ['/login', '/settings/tokens', '/settings/audit', '/settings/nowhere']) {
      expect((await ada.get(path)).headers.get('cache-control')).toBe('no-store');
    }
  });

  it('have assets that browsers can cache forever, because their URLs contain a version', async () => {
    const html = await new Visitor(demo.url).html('/login');
    const files = [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!);

    const answers = await Promise.all(files.map((path) => fetch(demo.url + path)));

    expect(files).toEqual([
      expect.stringMatching(/^\/assets\/seal\.svg\?v=\w{12}$/),
      expect.stringMatching(/^\/assets\/pages\.css\?v=\w{12}$/),
      expect.stringMatching(/^\/assets\/pages\.js\?v=\w{12}$/),
    ]);
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
    expect((await fetch(`${demo.url}/assets/..%2Fmain.js`)).status).toBe(404);
  });
});
