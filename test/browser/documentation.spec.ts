import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { ERROR_CODES } from '../../libs/sigra/src/common/sigra-error.js';
import { DocsSite } from '../support/docs-site.js';
import { launchBrowser, Visit } from '../support/site.js';

const SCREENS: [string, BrowserContextOptions][] = [
  ['desktop', { viewport: { width: 1280, height: 900 } }],
  ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
];

const SCREENSHOTS = fileURLToPath(new URL('./screenshots/', import.meta.url));
/** In pixels. Chromium draws nothing new below this height, and the page of the API is higher. */
const MAX_HEIGHT = 16_384;

/** The links of a page, and the ids that links can lead to. */
interface Ends {
  readonly links: readonly string[];
  readonly ids: readonly string[];
}

describe('the site of the documents', () => {
  let site: DocsSite;
  let browser: Browser;
  let axe: string;
  /** All pages. */
  let names: readonly string[];
  /** Those that differ in more than their text. */
  let kinds: readonly string[];

  beforeAll(async () => {
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    site = await DocsSite.serve();
    browser = await launchBrowser();
    names = readdirSync(DocsSite.folder, { recursive: true, encoding: 'utf8' }).flatMap(
      (file) => /^(?!404)(.+)\.html$/.exec(file)?.[1] ?? [],
    );
    kinds = names.filter((name) => !name.startsWith('errors/') || name === 'errors/token_revoked');
  });
  afterAll(async () => {
    await browser.close();
    await site.close();
  });

  const pathOf = (name: string) => (name === 'index' ? '/' : `/${name}`);
  const visit = async (options: BrowserContextOptions = {}) => {
    const context = await browser.newContext({ baseURL: site.url, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(120_000);
    return new Visit(context, await context.newPage());
  };

  it.each(SCREENS)(
    'fits, is accessible in light and dark, and fetches nothing from elsewhere on the screen of a %s',
    async (screen, options) => {
      const reader = await visit(options);
      const { page } = reader;
      const found: string[] = [];
      page.on('request', (request) => {
        if (!request.url().startsWith(site.url) && !request.url().startsWith('data:')) found.push(request.url());
      });
      const check = async (name: string, run: RunOptions) => {
        const { violations } = await page.evaluate<AxeResults>(
          `axe.run(${JSON.stringify({ resultTypes: ['violations'], ...run })})`,
        );
        found.push(...violations.map(({ id, nodes }) => `${name} ${id}: ${nodes.map(({ html }) => html).join(' ')}`));
      };

      for (const name of kinds) {
        await page.emulateMedia({ colorScheme: 'light' });
        await page.goto(pathOf(name), { waitUntil: 'load' });
        await photograph(page, `site-${screen}-${name.replace('/', '-')}`);
        await page.evaluate(axe);
        await check(name, {});
        // The two schemes differ in colors only.
        await page.emulateMedia({ colorScheme: 'dark' });
        await photograph(page, `site-${screen}-dark-${name.replace('/', '-')}`);
        await check(`${name} in dark`, { runOnly: ['color-contrast'] });
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
        if (overflow > 0) found.push(`${name} is ${overflow} pixels too wide`);
      }
      await reader.close();

      expect(kinds.length).toBeGreaterThan(30);
      expect(found).toEqual([]);
      expect(reader.complaints).toEqual([]);
    },
    1_800_000,
  );

  it('has a dark scheme', async () => {
    const [light, dark] = await Promise.all(
      (['light', 'dark'] as const).map(async (colorScheme) => {
        const reader = await visit({ colorScheme });
        await reader.page.goto('/', { waitUntil: 'load' });
        const color = await reader.page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
        await reader.close();
        return color;
      }),
    );

    expect(dark).not.toBe(light);
  });

  it('has no link within itself that leads nowhere', async () => {
    const reader = await visit();
    const ends = new Map<string, Ends>();
    for (const name of names) {
      await reader.page.goto(pathOf(name), { waitUntil: 'load' });
      const found = await reader.page.evaluate<Ends>(
        `({
          links: [...document.links].map(({ href }) => href),
          ids: [...document.querySelectorAll('[id]')].map(({ id }) => id),
        })`,
      );
      ends.set(pathOf(name), found);
    }
    await reader.close();

    const links = new Set([...ends.values()].flatMap((each) => each.links).filter((link) => link.startsWith(site.url)));
    const dead: string[] = [];
    for (const link of links) {
      const { pathname, hash } = new URL(link);
      const page = ends.get(pathname);
      const leads = page
        ? hash === '' || page.ids.includes(decodeURIComponent(hash.slice(1)))
        : (await fetch(link)).status === 200;
      if (!leads) dead.push(link);
    }

    expect(links.size).toBeGreaterThan(100);
    expect(dead).toEqual([]);
  });

  it('has every page in the sidebar', async () => {
    const reader = await visit();
    await reader.page.goto('/quick-start', { waitUntil: 'load' });

    const listed = await reader.page.evaluate<string[]>(
      '[...document.querySelectorAll(".VPSidebar a")].map(({ pathname }) => pathname)',
    );
    await reader.close();

    expect(listed.sort()).toEqual(
      names
        .map(pathOf)
        .filter((path) => path !== '/')
        .sort(),
    );
  });

  it('has a page for each code of an error, with its cause and its remedy', async () => {
    const reader = await visit();
    const codes = names.flatMap((name) => /^errors\/(.+)$/.exec(name)?.[1] ?? []);
    await reader.page.goto('/errors/reuse_detected', { waitUntil: 'load' });

    const text = await reader.page.locator('main').innerText();
    await reader.close();

    expect(codes).toEqual(Object.keys(ERROR_CODES).sort());
    expect(text).toContain('Remedy: Sign in again.');
  });

  it('draws sequences without a script', async () => {
    const reader = await visit({ javaScriptEnabled: false });
    await reader.page.goto('/architecture', { waitUntil: 'load' });

    const drawing = reader.page.getByRole('img', { name: /Client to auth: Authorization header or session/ });
    expect(await drawing.isVisible()).toBe(true);
    expect(await drawing.locator('text').filter({ hasText: 'guard calls admit()' }).count()).toBe(1);
    await reader.close();
  });

  it('finds a word with its search', async () => {
    const reader = await visit();
    const { page } = reader;
    await page.goto('/', { waitUntil: 'networkidle' });

    await page.getByRole('button', { name: 'Search' }).first().click();
    await page.locator('#localsearch-input').fill('reuse_detected');
    await page.locator('.VPLocalSearchBox .result').filter({ hasText: 'Errors' }).first().click();

    await page.waitForURL('**/errors#**');
    // The address changes before the page does.
    await page.getByRole('heading', { level: 1, name: 'Errors' }).waitFor();
    expect(reader.complaints).toEqual([]);
    await reader.close();
  });

  it('has every page in the lists for language models', async () => {
    const texts = await Promise.all(
      ['llms.txt', 'llms-full.txt'].map(async (name) => (await fetch(`${site.url}/${name}`)).text()),
    );

    const listed = names.filter((name) => name !== 'index' && !name.startsWith('errors/'));
    for (const name of listed) expect(texts[0]).toContain(`](${name})`);
    expect(texts[1]).toContain('# Incidents');
  });
});

async function photograph(page: Page, name: string): Promise<void> {
  const { width, height } = await page.evaluate<{ width: number; height: number }>(
    '({ width: innerWidth, height: document.documentElement.scrollHeight })',
  );
  const clip = { x: 0, y: 0, width, height: Math.min(height, MAX_HEIGHT) };
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png`, fullPage: true, clip });
}
