import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { DEMO_TIMEOUT, DemoProcess } from '../support/demo.js';
import { rawTokenOn, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe('several demos on one database', () => {
  let database: TestDatabase;
  let demos: DemoProcess[];

  const statusAt = async (demo: DemoProcess, token: string) => {
    const answer = await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
    return answer.status;
  };

  beforeAll(async () => {
    database = await createDatabase();
    // All at the same time, on an empty database.
    demos = ['express', 'fastify', 'express'].map(
      (adapter) => new DemoProcess({ DATABASE_URL: database.url, HTTP_ADAPTER: adapter }),
    );
    await Promise.all(demos.map((demo) => demo.ready()));
  });
  afterAll(async () => {
    await Promise.all(demos.map((demo) => demo.stop()));
    await database.drop();
  });

  it('start at the same time without conflicts', async () => {
    const ada = await new Visitor(demos[0]!.url).signIn();

    const stats = await (await ada.send('/api/admin/stats')).json();

    expect(demos.map(({ errors }) => errors)).toEqual(['', '', '']);
    expect(stats).toMatchObject({ users: 2, projects: 4, activeTokens: 12 });
  });

  it('accept each other’s tokens, and refuse one that another has revoked from the next request on', async () => {
    const [one, two] = demos as [DemoProcess, DemoProcess];
    const ada = await new Visitor(one.url).signIn();
    const answer = await ada.createToken({ name: 'Shared', scopes: ['read:projects'] });
    const raw = rawTokenOn(await answer.text())!;
    const before = await statusAt(two, raw);

    await ada.sendJson('DELETE', '/api/tokens');

    expect(before).toBe(200);
    expect(await statusAt(two, raw)).toBe(401);
  });

  it('accept each other’s cookies', async () => {
    const ada = await new Visitor(demos[0]!.url).signIn();

    const answer = await ada.at(demos[1]!.url).send('/api/me');

    expect(await answer.json()).toMatchObject({ email: 'ada@example.com', auth: { method: 'session' } });
  });

  it('do not revoke the tokens that another one printed', async () => {
    const late = await new DemoProcess({ DATABASE_URL: database.url }).ready();
    const later = await new DemoProcess({ DATABASE_URL: database.url }).ready();

    const status = await statusAt(later, late.token);
    await Promise.all([late.stop(), later.stop()]);

    expect(status).toBe(200);
  });
});
