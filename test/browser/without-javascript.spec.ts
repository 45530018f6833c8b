import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Site } from '../support/site.js';

describe('the pages in a browser without JavaScript', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());

  it('work in full, except for the copy button', async () => {
    const visit = await site.visit({ javaScriptEnabled: false });
    const { page } = await visit.signIn();

    const raw = await visit.createToken('Plain');
    const statusOf = async () => {
      const answer = await page.request.get('/api/projects', { headers: { authorization: `Bearer ${raw}` } });
      return answer.status();
    };
    const before = await statusOf();
    expect(await page.getByRole('button', { name: 'Copy' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Rotate Plain' }).click();
    await page.getByLabel('In an hour').check();
    await page.getByRole('button', { name: 'Rotate token' }).click();
    const replaced = await page.getByText('Replaced', { exact: true }).count();
    const during = await statusOf();
    await page.getByRole('link', { name: 'Revoke Plain' }).first().click();
    await page.getByRole('button', { name: 'Revoke token' }).click();

    expect([before, during, await statusOf()]).toEqual([200, 200, 401]);
    expect(replaced).toBe(1);
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect(page.url()).toMatch(/\/login$/);
  });
});
