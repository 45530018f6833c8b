import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { onDatabase } from '../support/database.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { jsonOf, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

interface Issued {
  rawToken: string;
  token: { id: string; creator?: { type: string; id: string } };
}

describe.each(ADAPTERS)('tokens of organizations and of single projects, on %s', (adapter) => {
  let demo: Demo;
  let ada: Visitor;
  let path: string;

  const json = (body: object, token?: string) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  });
  const get = (address: string, token: string) =>
    fetch(demo.url + address, { headers: { authorization: `Bearer ${token}` } });
  const projectsOf = async (token: string) => {
    const { projects } = await jsonOf<{ projects: { id: string; name: string }[] }>(get('/api/projects', token));
    return projects;
  };
  const issue = (body: object, address = path) => jsonOf<Issued>(ada.send(address, json({ name: 'CI', ...body })));

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    ada = await new Visitor(demo.url).signIn();
    const { rows } = await onDatabase(demo.databaseUrl, (client) =>
      client.query<{ id: string }>('SELECT id FROM demo_organizations'),
    );
    path = `/api/tokens/owners/organization/${rows[0]!.id}`;
  });
  afterAll(() => demo.stop());

  it('gives a token of the organization its projects only', async () => {
    const { rawToken, token } = await issue({ scopes: ['read:projects', 'write:projects'] });

    const created = await fetch(`${demo.url}/api/projects`, json({ name: 'Star chart' }, rawToken));
    const names = (await projectsOf(rawToken)).map(({ name }) => name);
    const hers = (await projectsOf(demo.token)).map(({ name }) => name);

    expect(token.creator).toEqual({ type: 'user', id: expect.any(String) });
    expect(created.status).toBe(201);
    expect(names).toEqual(['Tables of the Moon', 'Star chart']);
    expect(hers).not.toContain('Star chart');
  });

  it('refuses a token of an organization where a handler wants a user', async () => {
    const { rawToken } = await issue({ scopes: ['*'] });

    const answer = await get('/api/me', rawToken);

    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ error: 'owner_not_allowed' });
  });

  it('lets owners of the organization manage its tokens, and hides them from all others', async () => {
    const grace = await new Visitor(demo.url).signIn('grace@example.com');

    const statuses = async (visitor: Visitor) => [
      (await visitor.send(path)).status,
      (await visitor.send(path, json({ name: 'CI', scopes: ['read:projects'] }))).status,
      (await visitor.send('/api/tokens/owners/organization/none')).status,
    ];

    expect(await statuses(ada)).toEqual([200, 201, 404]);
    expect(await statuses(grace)).toEqual([404, 404, 404]);
  });

  it('limits a token to one project', async () => {
    const [engine, notes] = await projectsOf(demo.token);
    const request = { scopes: ['read:projects', 'write:projects'], resources: [`project:${engine!.id}`] };
    const { rawToken } = await issue(request, '/api/tokens');

    const own = await get(`/api/projects/${engine!.id}`, rawToken);
    const other = await get(`/api/projects/${notes!.id}`, rawToken);
    const created = await fetch(`${demo.url}/api/projects`, json({ name: 'Another' }, rawToken));

    expect(own.status).toBe(200);
    expect(other.status).toBe(403);
    expect(await other.json()).toMatchObject({ error: 'resource_not_allowed' });
    expect(created.status).toBe(403);
    expect(await projectsOf(rawToken)).toEqual([engine]);
  });

  it.each(['project:*', 'project:none', 'document:1'])('lists what %s covers', async (resource) => {
    const { rawToken } = await issue({ scopes: ['read:projects'], resources: [resource] }, '/api/tokens');

    const listed = await projectsOf(rawToken);

    expect(listed).toEqual(resource === 'project:*' ? await projectsOf(demo.token) : []);
  });
});
