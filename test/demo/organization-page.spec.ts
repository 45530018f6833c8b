import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { jsonOf, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the page of an organization in the demo on %s', (adapter) => {
  let demo: Demo;
  let ada: Visitor;
  let base: string;

  const statusWith = async (token: string) =>
    (await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } })).status;

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    ada = await new Visitor(demo.url).signIn();
    base = /<sigra-tokens base="([^"]+)"/.exec(await ada.html('/organization'))![1]!;
  });
  afterAll(() => demo.stop());

  it('lets an owner create a token with the element, use it and revoke it', async () => {
    const request = { name: 'Export <1>', scopes: ['read:projects'] };
    const { rawToken, token } = await jsonOf<{ rawToken: string; token: { id: string; creator: { id: string } } }>(
      ada.sendJson('POST', base, request),
    );
    const html = await ada.html('/organization');

    expect(base).toMatch(/^\/api\/tokens\/owners\/organization\/[0-9a-f-]{36}$/);
    expect(html).toContain(`[&quot;${token.creator.id}&quot;,&quot;ada@example.com&quot;]`);
    expect(html).not.toContain('<form class="flow"');
    expect(await statusWith(rawToken)).toBe(200);
    expect((await ada.sendJson('DELETE', `${base}/${token.id}`)).status).toBe(204);
    expect(await statusWith(rawToken)).toBe(401);
  });

  it('offers only the scopes that the token of an organization can use', async () => {
    const html = await ada.html('/organization');
    const { scopes } = await jsonOf<{ scopes: string[] }>(ada.get('/api/scopes'));

    const hidden = /hidden-scopes="([^"]+)"/.exec(html)![1]!.split(' ');

    expect(scopes.filter((scope) => !hidden.includes(scope))).toEqual(['read:projects', 'write:projects']);
  });

  it('shows members the tokens, and lets only owners change them', async () => {
    const name = 'Seen by <members>';
    await ada.sendJson('POST', base, { name, scopes: ['read:projects'] });
    const grace = await new Visitor(demo.url).signIn('grace@example.com');

    const html = await grace.html('/organization');
    const refused = await grace.sendJson('POST', base, { name: 'Mine', scopes: ['read:projects'] });

    expect(html).toContain('<h3>Printed at start-up</h3>');
    expect(html).toContain('<h3>Seen by &lt;members&gt;</h3>');
    expect(html).toContain('Only owners create and revoke tokens.');
    expect(html).not.toContain('<sigra-tokens');
    // The same answer as for an organization that does not exist.
    expect(refused.status).toBe(404);
  });
});
