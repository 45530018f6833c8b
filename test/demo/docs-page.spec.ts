import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { jsonOf, Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the reference of the API in the demo on %s', (adapter) => {
  let demo: Demo;
  let html: string;

  const operation = (id: string) =>
    new RegExp(`<details class="operation" id="${id}">.*?</details>`, 's').exec(html)![0];

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    html = await new Visitor(demo.url).html('/docs');
  });
  afterAll(() => demo.stop());

  it('has every operation of the document once', async () => {
    const document = await jsonOf<{ paths: Record<string, Record<string, { operationId: string }>> }>(
      fetch(`${demo.url}/docs-json`),
    );
    const documented = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );

    const shown = [...html.matchAll(/<details class="operation" id="([^"]+)"/g)].map(([, id]) => id);

    expect(shown.sort()).toEqual(documented.sort());
  });

  it('says which credentials and scopes an operation needs, and what it answers', () => {
    const list = operation('Projects_list');

    expect(list).toContain('With an API token, a JWT, a session');
    expect(list).toContain('<code>read:projects</code>');
    expect(list).toMatch(/<code>400<\/code><\/th><td>The limit or the cursor is invalid\./);
    expect(operation('Health_check')).toContain('No credential.');
  });

  it('has a curl line with the body of the request', () => {
    expect(operation('Projects_create')).toContain(
      `curl -sS &#39;${demo.url}/api/projects&#39; -H &quot;Authorization: Bearer $TOKEN&quot;`,
    );
    expect(operation('Projects_create')).toContain('{&quot;name&quot;:&quot;Analytical engine&quot;}');
  });

  it('offers signed-in visitors to open an operation that needs only an address', async () => {
    const signedIn = await (await new Visitor(demo.url).signIn()).html('/docs');

    expect(signedIn).toContain('href="/api/projects">Open /api/projects with your session');
    expect(signedIn).not.toContain('href="/api/projects/{id}"');
    expect(html).not.toContain('with your session');
  });
});
