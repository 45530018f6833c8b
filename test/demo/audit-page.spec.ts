import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { eventually } from '../support/eventually.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { rawTokenOn, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the activity page of the demo on %s', (adapter) => {
  let demo: Demo;
  let grace: Visitor;

  const sentences = (html: string) =>
    [...html.matchAll(/<th role="rowheader" scope="row">(.*?)<\/th>/gs)].map(([, text]) =>
      text!.replace(/<[^>]+>/g, '').trim(),
    );

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    grace = await new Visitor(demo.url).signIn('grace@example.com');
  });
  afterAll(() => demo.stop());

  it('shows the user’s actions and the events of their tokens, newest first', async () => {
    const raw = rawTokenOn(await (await grace.createToken({ name: '<i>', scopes: 'write:projects' })).text());
    const headers = { authorization: `Bearer ${raw}`, 'content-type': 'application/json' };
    await fetch(`${demo.url}/api/projects`, { method: 'POST', body: '{"name":"Flow-Matic"}', headers });
    await grace.post('/settings/tokens/revoke-all');
    await fetch(`${demo.url}/api/projects`, { headers });

    const html = await eventually(async () => {
      const page = await grace.html('/settings/audit');
      return page.includes('because it is revoked') && page;
    });

    expect(sentences(html)).toEqual([
      'Refused Token “&lt;i&gt;” refused because it is revoked',
      'All tokens revoked (1)',
      'Project “Flow-Matic” created',
      'Token “&lt;i&gt;” created with write:projects',
      'Signed in',
    ]);
    expect(html).toContain('You, with token “&lt;i&gt;”');
  });

  it('hides the actions of other users', async () => {
    const ada = await new Visitor(demo.url).signIn();

    const html = await ada.html('/settings/audit');

    expect(html).not.toContain('Flow-Matic');
    expect(html).toContain('Token “Printed at start-up” created');
    expect(html).toContain('The demo, when it started');
  });

  it('shows 25 events per page, without gaps or repetitions', async () => {
    for (let index = 0; index < 30; index++) {
      await grace.send('/api/projects', {
        method: 'POST',
        body: JSON.stringify({ name: `Project ${index}` }),
        headers: { 'content-type': 'application/json' },
      });
    }

    const first = await grace.html('/settings/audit');
    const older = await grace.html(/rel="next" href="([^"]+)"/.exec(first)![1]!);

    const newest = [...sentences(first), ...sentences(older)].slice(0, 30);
    expect(sentences(first)).toHaveLength(25);
    expect(newest).toEqual(Array.from({ length: 30 }, (_, index) => `Project “Project ${29 - index}” created`));
    expect(older).toContain('href="/settings/audit">Newest<');
  });
});
