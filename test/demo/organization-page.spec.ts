import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { rawTokenOn, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the page of an organization in the demo on %s', (adapter) => {
  let demo: Demo;
  let ada: Visitor;

  const statusWith = async (token: string | undefined) =>
    (await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } })).status;
  const formOf = async (name: string) => {
    const key = /name="key" value="([^"]+)"/.exec(await ada.html('/organization'))![1]!;
    return { key, name, scopes: 'read:projects' };
  };
  const revocationsOn = (html: string) =>
    [...html.matchAll(/\/organization\/tokens\/[^/]+\/revoke/g)].map(([path]) => path);

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    ada = await new Visitor(demo.url).signIn();
  });
  afterAll(() => demo.stop());

  it('lets an owner create a token, use it and revoke it', async () => {
    const created = await ada.post('/organization/tokens', await formOf('Export <1>'));
    const html = await created.text();
    const raw = rawTokenOn(html);

    expect(created.status).toBe(200);
    expect(created.headers.get('cache-control')).toBe('no-store');
    expect(html).toContain(`Authorization: Bearer ${raw}`);
    expect(html).toContain('<h3>Export &lt;1&gt;</h3>');
    expect(html).toMatch(/Made by<\/dt><dd>ada@example\.com</);
    expect(await statusWith(raw)).toBe(200);
    expect(await ada.html('/organization')).not.toContain(raw);

    const answer = await ada.post(revocationsOn(html).at(-1)!);

    expect(answer.headers.get('location')).toBe('/organization');
    expect(await statusWith(raw)).toBe(401);
    expect(await ada.html('/organization')).toContain('“Export &lt;1&gt;” is revoked.');
  });

  it('creates one token from a form that is sent twice', async () => {
    const form = await formOf('Once');

    const answers = await Promise.all([1, 2].map(() => ada.post('/organization/tokens', form)));

    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect((await ada.html('/organization')).match(/<h3>Once<\/h3>/g)).toHaveLength(1);
  });

  it('explains a form that is not complete', async () => {
    const answer = await ada.post('/organization/tokens', { ...(await formOf('')), name: '' });

    expect(answer.status).toBe(422);
    expect(await answer.text()).toMatch(/role="alert" id="create-error">[A-Z]/);
  });

  it('shows members the tokens, and lets only owners change them', async () => {
    const grace = await new Visitor(demo.url).signIn('grace@example.com');
    const [path] = revocationsOn(await ada.html('/organization'));

    const html = await grace.html('/organization');
    const statuses = [await grace.post(path!), await grace.post('/organization/tokens', await formOf('Mine'))];

    expect(html).toContain('<h3>Printed at start-up</h3>');
    expect(html).not.toContain('<form class="flow"');
    expect(revocationsOn(html)).toEqual([]);
    expect(statuses.map(({ status }) => status)).toEqual([403, 403]);
  });
});
