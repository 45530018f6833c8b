import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Locator } from 'playwright-core';
import { Site, type Visit } from '../support/site.js';

describe('the pages without a mouse', () => {
  let site: Site;
  let visit: Visit;

  beforeAll(async () => {
    site = await Site.open();
    visit = await site.visit({ permissions: ['clipboard-read', 'clipboard-write'] });
  });
  afterAll(() => site.close());

  const press = (key: string) => visit.page.keyboard.press(key);
  const type = (text: string) => visit.page.keyboard.type(text);
  const isFocused = async (target: Locator) => (await target.and(visit.page.locator(':focus')).count()) === 1;
  /** A browser gives the focus to a field with `autofocus` when it draws the page, which can be after `load`. */
  const toHaveFocus = (target: Locator) => target.and(visit.page.locator(':focus')).waitFor();

  /** Presses Tab until the target has the focus, and checks that the focus is always visible. */
  const tabTo = async (target: Locator) => {
    for (let steps = 0; steps < 80 && !(await isFocused(target)); steps++) {
      await press('Tab');
      const outline = await visit.page.evaluate<string>(
        'getComputedStyle(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).outlineStyle',
      );
      expect(outline).toBe('solid');
    }
    expect(await isFocused(target)).toBe(true);
  };

  it('support sign-in, and creating, copying, using and revoking a token', async () => {
    const { page } = visit;
    await page.goto('/login');
    await toHaveFocus(page.getByLabel('Email'));
    await type('ada@example.com');
    await press('Tab');
    await type('sigra-demo');
    await press('Enter');
    await page.waitForURL('**/settings/tokens');

    await page.getByRole('heading', { name: 'Revoke me' }).waitFor();
    await tabTo(page.getByRole('button', { name: 'Create token' }));
    await press('Enter');
    await toHaveFocus(page.getByLabel('Name', { exact: true }));
    await type('By keyboard');
    await tabTo(page.getByLabel('read:projects'));
    await press('Space');
    await tabTo(page.getByLabel('Expires'));
    await type('In 7');
    await tabTo(page.getByRole('dialog').getByRole('button', { name: 'Create token' }));
    await press('Enter');
    await page.locator('#raw-token').waitFor();
    const raw = await page.locator('#raw-token').innerText();

    await toHaveFocus(page.getByRole('button', { name: 'Copy', exact: true }));
    await press('Space');
    await page.getByText('Copied to the clipboard.').waitFor();
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).toBe(raw);
    expect(await visit.fetchWith(raw)).toBe(200);

    await tabTo(page.getByRole('button', { name: 'I have copied it' }));
    await press('Enter');
    await toHaveFocus(page.getByRole('button', { name: 'Create token' }));
    await tabTo(page.getByRole('button', { name: 'Revoke By keyboard' }));
    await press('Enter');
    await tabTo(page.getByRole('button', { name: 'Revoke token' }));
    await press('Enter');
    await page.getByText('“By keyboard” is revoked.').waitFor();
    expect(await visit.fetchWith(raw)).toBe(401);
  });

  it.each([1280, 390])('have a link that skips to the content, whole on a screen of %i pixels', async (width) => {
    const { page } = visit;
    await page.setViewportSize({ width, height: 844 });
    await page.goto('/settings/tokens');

    await press('Tab');
    const skip = page.getByRole('link', { name: 'Skip to content' });
    expect(await isFocused(skip)).toBe(true);
    // With its outline, which is 3 pixels wide and 2 pixels away, and above everything else.
    const box = (await skip.boundingBox())!;
    expect(Math.min(box.x, box.y)).toBeGreaterThanOrEqual(5);
    expect(box.x + box.width + 5).toBeLessThanOrEqual(width);
    expect(await skip.evaluate((link: { scrollWidth: number; clientWidth: number }) => link.scrollWidth)).toBe(
      await skip.evaluate((link: { scrollWidth: number; clientWidth: number }) => link.clientWidth),
    );
    const corners = [
      [box.x + 1, box.y + 1],
      [box.x + box.width - 1, box.y + box.height - 1],
    ];
    for (const [x, y] of corners) {
      expect(await page.evaluate<string>(`document.elementFromPoint(${x}, ${y}).className`)).toBe('skip-link');
    }
    await press('Enter');
    await page.waitForURL('**#main');
    await press('Tab');

    expect(await page.evaluate<boolean>('document.activeElement.closest("main") !== null')).toBe(true);
  });

  it('open an operation of the reference, and filter the activity', async () => {
    const { page } = visit;
    await page.goto('/docs');
    const operation = page.locator('#Projects_list');

    await tabTo(operation.locator('summary'));
    await press('Enter');
    await operation.getByText('read:projects').waitFor();
    await page.goto('/settings/audit');
    await tabTo(page.getByLabel('Show'));
    await type('Refusals');
    await tabTo(page.getByRole('button', { name: 'Show' }));
    await press('Enter');

    await page.waitForURL('**/settings/audit?**show=refused**');
  });

  it('focus the first invalid field of a form', async () => {
    const { page } = visit;
    await page.goto('/settings/tokens');
    await page.getByRole('heading', { name: 'Revoke me' }).waitFor();
    await tabTo(page.getByRole('button', { name: 'Create token' }));
    await press('Enter');
    const name = page.getByLabel('Name', { exact: true });
    await toHaveFocus(name);

    await press('Enter');
    await page.getByText('Give the token a name.').waitFor();

    await toHaveFocus(name);
    expect(await name.getAttribute('aria-describedby')).toBe('name-error');
  });
});
