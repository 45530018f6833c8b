import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { Visitor } from '../support/visitor.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the token page of the demo on %s', (adapter) => {
  let demo: Demo;

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('has the element of nestjs-sigra-ui, and serves its module', async () => {
    const html = await (await new Visitor(demo.url).signIn()).html('/settings/tokens');
    const path = /src="(\/assets\/sigra-tokens\.js[^"]+)"/.exec(html)![1]!;

    const script = await fetch(demo.url + path);

    expect(html).toContain('<sigra-tokens base="/api/tokens"');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(await script.text()).toMatch(/customElements\.define\(["']sigra-tokens["']/);
  });

  it('offers the scope admin only to administrators', async () => {
    const ada = await new Visitor(demo.url).signIn();
    const grace = await new Visitor(demo.url).signIn('grace@example.com');

    expect(await ada.html('/settings/tokens')).toContain('hidden-scopes=""');
    expect(await grace.html('/settings/tokens')).toContain('hidden-scopes="admin api_tokens:admin"');
  });
});
