import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { jsonOf, rawTokenOn, Visitor } from '../support/visitor.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

interface Token {
  id: string;
  name: string;
  scopes: string[];
  expiresAt: string | null;
}

describe.each(ADAPTERS)('the token page of the demo on %s, without JavaScript', (adapter) => {
  let demo: Demo;
  let grace: Visitor;

  const statusWith = async (token: string | undefined) => {
    const answer = await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
    return answer.status;
  };
  const tokensOf = async (visitor: Visitor) => {
    const { tokens } = await jsonOf<{ tokens: Token[] }>(visitor.send('/api/tokens'));
    return tokens;
  };
  const create = async (name: string) => {
    const html = await (await grace.createToken({ name, scopes: 'read:projects' })).text();
    const { id } = (await tokensOf(grace)).find((token) => token.name === name)!;
    return { id, raw: rawTokenOn(html)! };
  };

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  beforeEach(async () => {
    grace = await new Visitor(demo.url).signIn('grace@example.com');
    await grace.post('/settings/tokens/revoke-all');
    await grace.get('/settings/tokens');
  });
  afterAll(() => demo.stop());

  it('shows a new token once, with the warning, on a page that is kept nowhere', async () => {
    const answer = await grace.createToken({ name: 'CI & more', scopes: ['read:projects', 'write:projects'] });
    const html = await answer.text();

    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(html).toContain(">This is the only time you'll see this token. Copy it now.<");
    expect(html).toContain('Your new token “CI &amp; more”');
    expect(await statusWith(rawTokenOn(html))).toBe(200);
    expect(rawTokenOn(await grace.html('/settings/tokens'))).toBeUndefined();
    expect(await tokensOf(grace)).toEqual([
      expect.objectContaining({ name: 'CI & more', scopes: ['read:projects', 'write:projects'] }),
    ]);
  });

  it('creates one token from a form that is sent twice, also at the same time', async () => {
    const form = { mark: await grace.mark(), name: 'Once', scopes: 'read:projects', expiry: '7' };

    const answers = await Promise.all([grace.post('/settings/tokens', form), grace.post('/settings/tokens', form)]);
    const again = await grace.post('/settings/tokens', form);

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 303]);
    expect(again.headers.get('location')).toBe('/settings/tokens');
    expect(await tokensOf(grace)).toHaveLength(1);
    expect(await grace.html('/settings/tokens')).toContain('That form was already sent');
    expect(await grace.html('/settings/tokens')).not.toContain('That form was already sent');
  });

  it.each([undefined, '', 'made-up', "' OR true --"])('creates no token from a form with the mark %j', async (mark) => {
    await grace.post('/settings/tokens', { name: 'x', scopes: 'read:projects', expiry: '7', ...(mark && { mark }) });

    expect(await tokensOf(grace)).toEqual([]);
  });

  it('shows the description of a token, and keeps it in a form with errors', async () => {
    await grace.createToken({ name: 'CI', description: 'Deploys <b>all</b>', scopes: ['read:projects'], expiry: '7' });
    const failed = await grace.createToken({ name: '', description: 'Deploys & tests', expiry: '7' });

    expect(await tokensOf(grace)).toMatchObject([{ description: 'Deploys <b>all</b>' }]);
    expect(await grace.html('/settings/tokens')).toContain('Deploys &lt;b&gt;all&lt;/b&gt;');
    expect(await failed.text()).toMatch(/<textarea id="description"[^>]*>Deploys &amp; tests<\/textarea>/);
  });

  it('shows errors beside their fields, and keeps the input', async () => {
    const answer = await grace.createToken({
      name: '<script>alert(1)</script>'.repeat(20),
      scopes: ['write:projects', 'profile:read'],
      expiry: 'custom',
      expiresOn: '2031-02-31',
    });
    const html = await answer.text();

    expect(answer.status).toBe(422);
    expect(html).toContain('id="expiry-error">Choose when the token expires.<');
    expect(html).toMatch(/<select id="expiry" name="expiry" aria-invalid="true" aria-describedby="expiry-error"/);
    expect(html).toContain('value="&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).not.toContain('<script>alert');
    expect(html).toMatch(/value="write:projects"\s+checked/);
    expect(html).not.toMatch(/value="read:projects"\s+checked/);
    expect(html).toContain('<details open>');
    expect(html).toContain('type="date" value="2031-02-31"');
  });

  it('shows all errors at once, and accepts the corrected form', async () => {
    const failed = await grace.createToken({ name: ' ', expiry: 'whenever' });
    const html = await failed.text();
    const mark = /name="mark" value="([^"]+)"/.exec(html)![1]!;

    const corrected = await grace.post('/settings/tokens', {
      mark,
      name: 'CI',
      scopes: 'read:projects',
      expiry: 'never',
    });

    expect(html).toContain('id="name-error">Give the token a name.<');
    expect(html).toContain('id="scopes-error">Choose at least one scope.<');
    expect(html).toContain('id="expiry-error">Choose when the token expires.<');
    expect(rawTokenOn(await corrected.text())).toBeDefined();
  });

  it.each([
    [{ name: 'x'.repeat(256), scopes: 'read:projects' }, 'name-error'],
    [{ name: 'a\u0000b', scopes: 'read:projects' }, 'name-error'],
    [{ name: 'x', scopes: 'unheard:of' }, 'scopes-error'],
    [{ name: 'x', scopes: 'admin' }, 'scopes-error'],
    [{ name: 'x', scopes: '*' }, 'scopes-error'],
    [{ name: 'x', scopes: 'read:projects', expiry: 'custom', expiresOn: '2020-01-01' }, 'expiry-error'],
    [{ name: 'x', scopes: 'read:projects', expiry: 'custom', expiresOn: '' }, 'expiry-error'],
    [{ name: 'x', scopes: 'read:projects', expiry: '-1' }, 'expiry-error'],
  ])('rejects %j with %s', async (fields, error) => {
    const answer = await grace.createToken(fields);

    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain(`id="${error}"`);
    expect(await tokensOf(grace)).toEqual([]);
  });

  it('offers the scope admin only to administrators', async () => {
    const ada = await new Visitor(demo.url).signIn();

    expect(await ada.html('/settings/tokens')).toContain('value="admin"');
    expect(await grace.html('/settings/tokens')).not.toContain('value="admin"');
  });

  it('creates tokens that expire at the end of a day, never, or after a number of days', async () => {
    await grace.createToken({ name: 'Day', scopes: 'read:projects', expiry: 'custom', expiresOn: '2099-12-31' });
    await grace.createToken({ name: 'Never', scopes: 'read:projects', expiry: 'never' });
    await grace.createToken({ name: 'Week', scopes: 'read:projects', expiry: '7' });

    const [day, never, week] = await tokensOf(grace);
    expect(day?.expiresAt).toBe('2099-12-31T23:59:59.999Z');
    expect(never?.expiresAt).toBeNull();
    expect(Math.round((Date.parse(week!.expiresAt!) - Date.now()) / 86_400_000)).toBe(7);
  });

  it('revokes a token after asking once more', async () => {
    const { id, raw } = await create('Doomed');

    const question = await grace.html(`/settings/tokens/${id}/revoke`);
    const before = await statusWith(raw);
    const answer = await grace.post(`/settings/tokens/${id}/revoke`);

    expect(question).toContain('<h1>Revoke “Doomed”?</h1>');
    expect(before).toBe(200);
    expect(answer.status).toBe(303);
    expect(await statusWith(raw)).toBe(401);
    expect(await grace.html('/settings/tokens')).toContain('“Doomed” is revoked.');
    expect((await grace.get(`/settings/tokens/${id}/revoke`)).status).toBe(404);
  });

  it.each(['revoke', 'rotate'])('refuses to %s another user’s token, and does not show it', async (action) => {
    const { id, raw } = await create('Hers');
    const ada = await new Visitor(demo.url).signIn();

    const page = await ada.get(`/settings/tokens/${id}/${action}`);
    const form = await ada.post(`/settings/tokens/${id}/${action}`);

    expect([page.status, form.status]).toEqual([404, 404]);
    expect(await page.text()).not.toContain('Hers');
    expect(await statusWith(raw)).toBe(200);
  });

  it('rotates a token at once, and only once', async () => {
    const { id, raw } = await create('Old');

    const html = await (await grace.post(`/settings/tokens/${id}/rotate`, { grace: '0' })).text();
    const again = await grace.post(`/settings/tokens/${id}/rotate`, { grace: '0' });

    expect(html).toContain("This is the only time you'll see this token. Copy it now.");
    expect(await statusWith(raw)).toBe(401);
    expect(await statusWith(rawTokenOn(html))).toBe(200);
    expect(again.headers.get('location')).toBe('/settings/tokens');
    expect(await tokensOf(grace)).toHaveLength(1);
  });

  it('rotates a token with a grace period, during which both tokens work', async () => {
    const { id, raw } = await create('Old');

    const html = await (await grace.post(`/settings/tokens/${id}/rotate`, { grace: '3600' })).text();

    expect(await statusWith(raw)).toBe(200);
    expect(await statusWith(rawTokenOn(html))).toBe(200);
    expect(html).toContain('<span class="badge">Replaced</span>');
    const [old] = await tokensOf(grace);
    expect(Date.parse(old!.expiresAt!) - Date.now()).toBeLessThanOrEqual(3_600_000);
  });

  it('revokes all tokens after a confirmation', async () => {
    const { raw } = await create('One');
    await create('Two');

    const question = await grace.html('/settings/tokens/revoke-all');
    await grace.post('/settings/tokens/revoke-all');

    expect(question).toContain('Revoke all your tokens?');
    expect(await statusWith(raw)).toBe(401);
    expect(await grace.html('/settings/tokens')).toContain('2 tokens are revoked.');
  });

  it('shows ten tokens per page, with links to the next and the first page', async () => {
    for (let index = 1; index <= 11; index++) {
      await grace.send('/api/tokens', {
        method: 'POST',
        body: JSON.stringify({ name: `Token ${index}`, scopes: ['read:projects'] }),
        headers: { 'content-type': 'application/json' },
      });
    }

    const first = await grace.html('/settings/tokens');
    const next = /rel="next" href="([^"]+)"/.exec(first)![1]!;
    const second = await grace.html(next);

    const names = (html: string) => [...html.matchAll(/<h3>(.*)<\/h3>/g)].map(([, name]) => name);
    expect(names(first)).toEqual(Array.from({ length: 10 }, (_, index) => `Token ${index + 1}`));
    expect(names(second)).toEqual(['Token 11']);
    expect(second).toContain('href="/settings/tokens">First page<');
    expect((await grace.get('/settings/tokens?cursor=made-up')).status).toBe(400);
  });
});
