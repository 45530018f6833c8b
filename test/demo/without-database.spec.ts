import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DataFolder } from '../support/data-folder.js';
import { DEMO_TIMEOUT, DemoProcess } from '../support/demo.js';
import { Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('a demo without its database, on %s', (adapter) => {
  let folder: DataFolder;
  let demo: DemoProcess;
  let ada: Visitor;

  beforeAll(async () => {
    folder = await DataFolder.make();
    demo = await new DemoProcess({ HTTP_ADAPTER: adapter, DEMO_DATA_DIR: folder.path }).ready();
    ada = await new Visitor(demo.url).signIn();
    await folder.stopServer();
  });
  afterAll(async () => {
    await demo.stop();
    await folder.remove();
  });

  it('reports that it is unhealthy', async () => {
    const answer = await fetch(`${demo.url}/health`);

    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      statusCode: 503,
      message: 'The database does not answer.',
      status: 'down',
      database: 'unreachable',
    });
  });

  it('answers a valid token with 503, and not with 401', async () => {
    const answer = await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${demo.token}` } });

    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it.each(['/settings/tokens', '/settings/audit'])('explains it on the page %s', async (path) => {
    const answer = await ada.get(path);

    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('<h1>The database does not answer</h1>');
  });

  it('answers sign-in with 503, by form and by JSON', async () => {
    const credentials = { email: 'ada@example.com', password: 'sigra-demo' };

    const form = await new Visitor(demo.url).post('/login', credentials);
    const json = await fetch(`${demo.url}/session`, {
      method: 'POST',
      body: JSON.stringify(credentials),
      headers: { 'content-type': 'application/json' },
    });

    expect(form.status).toBe(503);
    expect(json.status).toBe(503);
  });

  it('still serves pages that need no database', async () => {
    expect((await fetch(`${demo.url}/login`)).status).toBe(200);
    expect((await fetch(`${demo.url}/metrics`)).status).toBe(200);
  });

  it('still exits cleanly', async () => {
    const { code } = await demo.interruptGroup();

    expect(code).toBe(0);
  });
});
