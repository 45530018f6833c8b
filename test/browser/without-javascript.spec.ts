import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Site } from '../support/site.js';

describe('the pages in a browser without JavaScript', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  it('support sign-in and sign-out, and say that the list of tokens needs JavaScript', async () => {
    const visit = await site.visit({ javaScriptEnabled: false });
    const { page } = await visit.signIn();

    expect(await page.locator('noscript p').innerText()).toContain('This list needs JavaScript.');
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect(page.url()).toMatch(/\/login$/);
  });
});
