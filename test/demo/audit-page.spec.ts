import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { eventually } from '../support/eventually.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { rawTokenOn, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the activity page of the demo on %s', (adapter) => {
  let demo: Demo;
  let grace: Visitor;

  const text = (html: string) =>
    html
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();
  const matches = (html: string, pattern: RegExp) => [...html.matchAll(pattern)].map(([, part]) => text(part!));
  const sentences = (html: string) => matches(html, /<span>(.*?)<\/span>\s*<span class="hint">by/gs);
  /** The headings of the tokens, with what stands beside them. */
  const groups = (html: string) => matches(html, /<div class="what">(.*?)<\/div>/gs);

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    grace = await new Visitor(demo.url).signIn('grace@example.com');
  });
  afterAll(() => demo.stop());

  it('shows the user’s actions and the events of their tokens, newest first', async () => {
    const raw = rawTokenOn(await (await grace.createToken({ name: '<i>', scopes: ['write:projects'] })).text());
    const headers = { authorization: `Bearer ${raw}`, 'content-type': 'application/json' };
    await fetch(`${demo.url}/api/projects`, { method: 'POST', body: '{"name":"Flow-Matic"}', headers });
    await grace.sendJson('DELETE', '/api/tokens');
    await Promise.all([1, 2].map(() => fetch(`${demo.url}/api/projects`, { headers })));

    const html = await eventually(async () => {
      const page = await grace.html('/settings/audit');
      return page.includes('because it is revoked') && page;
    });

    expect(groups(html)).toEqual([expect.stringMatching(/^&lt;i&gt; sigra_sk_\w+… 2 refused$/), 'Your account']);
    expect(sentences(html)).toEqual([
      'Refused 2 times because it is revoked',
      'Project “Flow-Matic” created',
      'Created with write:projects',
      'All tokens revoked (1)',
      'Signed in',
    ]);
    expect(html).toContain('by you, with this token');
    expect(matches(html, /<h2 id="day-[\d-]{10}">(.*?)<\/h2>/gs)).toEqual([
      new Date().toLocaleDateString('en-GB', { dateStyle: 'full', timeZone: 'UTC' }),
    ]);
  });

  it('shows refusals only, the events of one token, and those until a day', async () => {
    const id = /<option value="([^"]{36})"/.exec(await grace.html('/settings/audit'))![1]!;

    const refused = await grace.html('/settings/audit?show=refused');
    const ofToken = await grace.html(`/settings/audit?token=${id}`);
    const before = await grace.html('/settings/audit?until=2020-01-31');

    expect(sentences(refused)).toEqual(['Refused 2 times because it is revoked']);
    expect(groups(ofToken)).toHaveLength(1);
    expect(sentences(ofToken)).toHaveLength(3);
    expect(before).toContain('No such events.');
    expect(before).toContain('name="until" type="date" value="2020-01-31"');
  });

  it('hides the tokens of others, as those that do not exist', async () => {
    const ada = await new Visitor(demo.url).signIn();
    const id = /<option value="([^"]{36})"/.exec(await ada.html('/settings/audit'))![1]!;

    const statuses = [id, 'none'].map(async (token) => (await grace.get(`/settings/audit?token=${token}`)).status);

    expect(await Promise.all(statuses)).toEqual([404, 404]);
  });

  it('hides the actions of other users', async () => {
    const ada = await new Visitor(demo.url).signIn();

    const html = await ada.html('/settings/audit');

    expect(html).not.toContain('Flow-Matic');
    expect(groups(html)).toContainEqual(expect.stringMatching(/^Printed at start-up sigra_sk_/));
    expect(html).toContain('by the demo itself');
  });

  it('shows 25 events per page, without gaps or repetitions', async () => {
    for (let index = 0; index < 30; index++) {
      await grace.send('/api/projects', {
        method: 'POST',
        body: JSON.stringify({ name: `Project ${index}` }),
        headers: { 'content-type': 'application/json' },
      });
    }

    const first = await grace.html('/settings/audit?until=2999-12-31');
    const next = /rel="next" href="([^"]+)"/.exec(first)![1]!.replaceAll('&amp;', '&');
    const older = await grace.html(next);

    const newest = [...sentences(first), ...sentences(older)].slice(0, 30);
    expect(sentences(first)).toHaveLength(25);
    expect(newest).toEqual(Array.from({ length: 30 }, (_, index) => `Project “Project ${29 - index}” created`));
    expect(next).toContain('until=2999-12-31&cursor=');
    expect(older).toContain('href="/settings/audit?until=2999-12-31">Newest<');
  });
});
