import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions } from 'playwright-core';
import { Site, type Visit } from '../support/site.js';

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const SCREENS: [string, BrowserContextOptions][] = [
  ['1280-light', DESKTOP],
  ['1280-dark', { ...DESKTOP, colorScheme: 'dark' }],
  ['390-light', PHONE],
  ['390-dark', { ...PHONE, colorScheme: 'dark' }],
];

/** States of the page: a name, and the actions that lead there. */
const STATES: [string, (visit: Visit) => Promise<unknown>][] = [
  ['list', async () => undefined],
  ['form', (visit) => visit.openForm()],
  [
    'errors',
    async (visit) => {
      await visit.openForm();
      await visit.page.getByLabel('Expires').selectOption('custom');
      await visit.page.getByText('Restrictions').click();
      await visit.press('Create token');
      await visit.page.getByText('Choose at least one scope.').waitFor();
    },
  ],
  [
    'created',
    (visit) => visit.createToken('A name that is quite long, as names of deployments in large organisations are'),
  ],
  ['rotate', ({ page }) => page.getByRole('button', { name: 'Rotate Deployment' }).click()],
  ['edit', ({ page }) => page.getByRole('button', { name: 'Edit Deployment' }).click()],
  ['revoke', ({ page }) => page.getByRole('button', { name: 'Revoke Deployment' }).click()],
  ['revoke-all', ({ page }) => page.getByRole('button', { name: 'Revoke all tokens' }).click()],
  [
    'failure',
    async ({ page }) => {
      await page.route('**/api/tokens?**', (route) => route.fulfill({ status: 429, headers: { 'retry-after': '7' } }));
      await page.reload();
      await page.getByText('Try again in 7 seconds').waitFor();
    },
  ],
];

const EXPECTED = 'status of 429';

describe.each(SCREENS)('the settings page at %s', (screen, options) => {
  let site: Site;
  let visit: Visit;

  beforeAll(async () => {
    site = await Site.open();
    visit = await (await site.visit(options)).signIn('grace@example.com');
    await visit.page.waitForURL('**/settings/tokens');
  });
  afterAll(() => site.close());

  const check = async (name: string) => {
    await visit.screenshot(`ui-${screen}-${name}`);
    await visit.page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await visit.page.evaluate<AxeResults>('axe.run()');

    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
    expect(await visit.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(visit.complaints.filter((complaint) => !complaint.includes(EXPECTED))).toEqual([]);
  };

  it('is accessible without tokens', async () => {
    await visit.page.request.delete('/api/tokens', { headers: { 'sec-fetch-site': 'same-origin' } });
    await visit.page.goto('/settings/tokens');
    await visit.page.getByText('Create your first token').waitFor();

    await check('empty');
  });

  it.each(STATES)('is accessible in the state "%s", fits, and causes no browser errors', async (name, act) => {
    const data = {
      name: 'Deployment',
      description: 'Releases the web shop',
      scopes: ['read:projects', 'api_tokens:write'],
      allowedIps: ['192.0.2.0/24'],
      expiresAt: new Date(Date.now() + 3 * 86_400_000).toISOString(),
    };
    const headers = { 'sec-fetch-site': 'same-origin' };
    await visit.page.request.delete('/api/tokens', { headers });
    await visit.page.request.post('/api/tokens', {
      data: { ...data, name: 'Reports', scopes: ['read:projects'] },
      headers,
    });
    await visit.page.request.post('/api/tokens', { data, headers });
    await visit.page.goto('/settings/tokens');
    await visit.page.getByRole('heading', { name: 'Deployment' }).waitFor();
    await act(visit);
    await visit.page.evaluate('document.fonts.ready');

    await check(name);
    await visit.page.unrouteAll();
  });
});
