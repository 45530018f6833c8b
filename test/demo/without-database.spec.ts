import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DataFolder, isRunning } from './support/data-folder.js';
import { DemoProcess } from './support/demo-process.js';
import { eventually } from './support/eventually.js';
import { Visitor } from './support/visitor.js';

describe.each(ADAPTERS)('a demo that has lost its database, on %s', (adapter) => {
  let folder: DataFolder;
  let demo: DemoProcess;
  let ada: Visitor;

  beforeAll(async () => {
    folder = await DataFolder.make();
    demo = await new DemoProcess({ HTTP_ADAPTER: adapter, DEMO_DATA_DIR: folder.path }).ready();
    ada = await new Visitor(demo.url).signIn();
    const postmaster = await folder.postmaster();
    process.kill(postmaster, 'SIGINT');
    await eventually(() => !isRunning(postmaster));
  });
  afterAll(async () => {
    await demo.stop();
    await folder.remove();
  });

  it('is not healthy', async () => {
    const answer = await fetch(`${demo.url}/health`);

    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ statusCode: 503, database: 'down' });
  });

  it('answers 503 to a token, and not that it is wrong', async () => {
    const answer = await fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${demo.token}` } });

    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
  });

  it.each(['/settings/tokens', '/settings/audit'])(
    'says so on a page to whoever is signed in and visits %s',
    async (path) => {
      const answer = await ada.get(path);

      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('<h1>The database does not answer</h1>');
    },
  );

  it('says so to whoever signs in, by form and by JSON', async () => {
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

  it('still shows what needs no database', async () => {
    expect((await fetch(`${demo.url}/login`)).status).toBe(200);
    expect((await fetch(`${demo.url}/metrics`)).status).toBe(200);
  });

  it('still ends cleanly', async () => {
    const { code } = await demo.interruptGroup();

    expect(code).toBe(0);
  });
});
