import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions } from 'playwright-core';
import { Site, type Visit } from '../support/site.js';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const SCREENS: [string, BrowserContextOptions][] = [
  ['desktop', { viewport: { width: 1280, height: 900 } }],
  ['desktop-dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
  ['tablet', { viewport: { width: 820, height: 1100 } }],
  ['phone', PHONE],
  ['phone-dark', { ...PHONE, colorScheme: 'dark' }],
];

/** Pages: a name, a path, and the actions before the checks. */
const PAGES: [string, string, (visit: Visit) => Promise<void>][] = [
  ['tokens', '/settings/tokens', ({ page }) => page.getByRole('heading', { name: 'Revoke me' }).waitFor()],
  [
    'devices',
    '/settings/tokens',
    async ({ page }) => {
      await page.request.post('/api/jwt', { data: { scopes: ['read:projects'] } });
      await page.reload();
      await page.getByRole('link', { name: 'Sign out everywhere' }).waitFor();
    },
  ],
  ['sign-out-everywhere', '/settings/devices/sign-out-everywhere', async () => undefined],
  ['activity', '/settings/audit', async () => undefined],
  ['refusals', '/settings/audit?show=refused&until=2020-01-31', async () => undefined],
  ['organization', '/organization', ({ page }) => page.getByRole('button', { name: 'Create token' }).waitFor()],
  [
    'organization-created',
    '/organization',
    async (visit) => {
      await visit.fillInForm('A name that is quite long, as names of exports in large organisations tend to be');
      await visit.press('Create token');
      await visit.page.locator('#raw-token').waitFor();
    },
  ],
  ['metrics', '/settings/metrics', async () => undefined],
  ['welcome', '/', async () => undefined],
  ['not-found', '/nowhere', async () => undefined],
  ['docs', '/docs', async () => undefined],
  [
    'docs-open',
    '/docs',
    async ({ page }) => {
      for (const id of ['ApiToken_create', 'Projects_list', 'OAuth_token'])
        await page.locator(`#${id} > summary`).click();
    },
  ],
];

/** The browser logs the status of a rejected form or an unknown address. */
const EXPECTED = /^Failed to load resource: the server responded with a status of (?:404 \(Not Found\)|422 .*)$/;

describe.each(SCREENS)('on the screen of a %s', (screen, options) => {
  let site: Site;
  let visit: Visit;
  let axe: string;

  beforeAll(async () => {
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    site = await Site.open();
    visit = await site.visit(options);
  });
  afterAll(() => site.close());

  const violations = async () => {
    await visit.page.evaluate(axe);
    const { violations: found } = await visit.page.evaluate<AxeResults>('axe.run()');
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  };
  const overflow = () => visit.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');

  it.each([
    ['welcome', '/'],
    ['login', '/login'],
  ])('the page "%s" for everyone fits, is accessible, and causes no browser errors', async (name, path) => {
    await visit.page.goto(path);
    await visit.screenshot(`${screen}-${name}-signed-out`);

    expect(await violations()).toEqual([]);
    expect(await overflow()).toBe(0);
    expect(visit.complaints).toEqual([]);
  });

  it('lets Ada sign in', async () => {
    await visit.signIn();

    expect(visit.page.url()).toMatch(/\/settings\/tokens$/);
  });

  it.each(PAGES)('the page "%s" fits, is accessible, and causes no browser errors', async (name, path, act) => {
    await visit.page.goto(path);
    await act(visit);
    await visit.page.waitForLoadState();
    await visit.screenshot(`${screen}-${name}`);

    expect(await violations()).toEqual([]);
    expect(await overflow()).toBe(0);
    expect(visit.complaints.filter((complaint) => !EXPECTED.test(complaint))).toEqual([]);
  });
});
