import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import ts from 'typescript';
import { MarkdownFile } from '../support/markdown.js';
import { root } from '../support/source.js';
import { Site, type Visit } from '../support/site.js';

const TABS = 10;

describe('The client of docs/client-browser.md, in ten tabs with reuseLeeway 0', () => {
  let site: Site;
  let visit: Visit;
  let tabs: Page[];
  let refreshes = 0;

  beforeAll(async () => {
    site = await Site.open({ JWT_REUSE_LEEWAY: '0' });
    visit = await site.visit();
    await visit.context.route('**/client.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: clientOf('docs/client-browser.md') }),
    );
    await visit.context.route('**/idb-keyval.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', path: `${root}node_modules/idb-keyval/dist/index.js` }),
    );
    await visit.context.route('**/client.html', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: '<script type="module">import * as client from "/client.js"; window.client = client;</script>',
      }),
    );
    visit.context.on('request', (request) => {
      if (request.url().endsWith('/oauth/token')) refreshes++;
    });
    await visit.signIn();
    tabs = await Promise.all(Array.from({ length: TABS }, () => visit.context.newPage()));
    await Promise.all(
      tabs.map(async (tab) => {
        await tab.goto('/client.html');
        await tab.waitForFunction('window.client');
      }),
    );
    await tabs[0]!.evaluate(`fetch('/api/jwt', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"scopes":["read:projects"]}',
    }).then((response) => response.json()).then(client.keep)`);
  });
  afterAll(async () => {
    await visit.close();
    await site.close();
  });

  const fetchInAllTabs = () =>
    Promise.all(
      tabs.map((tab) => tab.evaluate<number>("client.fetchWithToken('/api/projects').then(({ status }) => status)")),
    );
  /** Changes the stored tokens. */
  const put = (change: object) =>
    tabs[0]!.evaluate(
      `import('/idb-keyval.js').then(({ update }) => update('tokens', (tokens) => ({ ...tokens, ...${JSON.stringify(change)} })))`,
    );
  const everywhere = (status: number) => Array.from({ length: TABS }, () => status);

  it('refreshes once when all tabs find an expired access token', async () => {
    for (let round = 1; round <= 3; round++) {
      await put({ expiresAt: 0 });

      expect(await fetchInAllTabs()).toEqual(everywhere(200));
      expect(refreshes).toBe(round);
    }
  });

  it('refreshes after a 401, and no tab is signed out', async () => {
    const before = refreshes;
    await put({ accessToken: 'eyJ.bad.token' });

    expect(await fetchInAllTabs()).toEqual(everywhere(200));
    expect(refreshes).toBe(before + 1);
    expect(await fetchInAllTabs()).toEqual(everywhere(200));
  });
});

/** The client as a script of the page's own origin. */
function clientOf(path: string): string {
  const snippet = new MarkdownFile(path).fences.find(({ language }) => language === 'ts');
  const own = snippet!.code.replace('https://api.myapp.example', '').replace("'idb-keyval'", "'/idb-keyval.js'");
  return ts.transpileModule(own, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
    .outputText;
}
