import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { Site, type Visit } from '../support/site.js';

const UNAUTHORIZED = 'Failed to load resource: the server responded with a status of 401 (Unauthorized)';
/** What the element shows. */
const SHADOW = "document.querySelector('sigra-tokens').shadowRoot.innerHTML";

describe.each(ADAPTERS)('tokens in a browser, on %s', (adapter) => {
  let site: Site;
  let visit: Visit;

  beforeAll(async () => {
    site = await Site.open({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => site.close());
  beforeEach(async () => {
    visit = await site.visit({ permissions: ['clipboard-read', 'clipboard-write'] });
  });
  afterEach(() => visit.close());

  it('are created, copied, used and revoked', async () => {
    const { page } = visit;
    await page.goto('/settings/tokens');
    await page.getByLabel('Email').fill('ada@example.com');
    await page.getByLabel('Password').fill('sigra-demo');
    await visit.screenshot(`${adapter}-1-login`);
    await page.getByRole('button', { name: 'Sign in' }).click();

    const raw = await visit.createToken('Deployment from CI');
    const warning = page.getByText("This is the only time you'll see this token. Copy it now.", { exact: true });
    expect(await warning.isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.getByText('Copied to the clipboard.').waitFor();
    await visit.screenshot(`${adapter}-2-created`);
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied).toBe(raw);
    expect(await visit.fetchWith(copied)).toBe(200);

    await page.getByRole('button', { name: 'I have copied it' }).click();
    expect(await page.evaluate<string>(SHADOW)).not.toContain(raw);

    await page.getByRole('button', { name: 'Revoke Deployment from CI' }).click();
    await visit.screenshot(`${adapter}-3-revoke`);
    expect(await visit.fetchWith(copied)).toBe(200);
    expect(visit.complaints).toEqual([]);
    await page.getByRole('button', { name: 'Revoke token' }).click();
    await page.getByText('“Deployment from CI” is revoked.').waitFor();
    await visit.screenshot(`${adapter}-4-revoked`);
    expect(await visit.fetchWith(copied)).toBe(401);
    expect(visit.complaints).toEqual([UNAUTHORIZED]);
  });

  it('are shown only once, not after a reload, when the page is left, or when the element is removed', async () => {
    const { page } = await visit.signIn();
    const raw = await visit.createToken('Seen once');
    expect(raw).toMatch(/^sigra_sk_[0-9A-Za-z]{49}$/);

    await page.reload();
    expect(await page.evaluate<string>(SHADOW)).not.toContain(raw);
    const second = await visit.createToken('Seen twice');
    expect(await page.evaluate<string>(SHADOW)).toContain(second);
    // Some browsers keep pages in memory despite no-store, so the page clears the token when it is left.
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))");
    expect(await page.evaluate<string>(SHADOW)).not.toContain(second);
    const third = await visit.createToken('Seen thrice');
    const removed = await page.evaluate<string>(
      "(() => { const element = document.querySelector('sigra-tokens'); element.remove(); return element.shadowRoot.innerHTML; })()",
    );
    expect(removed).not.toContain(third);

    await page.goto('/settings/tokens');
    await page.getByRole('button', { name: 'Revoke all tokens' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke all tokens' }).click();
    await page.getByText('Create your first token').waitFor();
    expect(visit.complaints).toEqual([]);
  });

  it('have names that never become markup', async () => {
    const { page } = await visit.signIn();
    const name = '<img src=x onerror="document.title = 1"><b>bold</b>';
    await visit.createToken(name);
    await page.getByRole('button', { name: 'I have copied it' }).click();
    await page.getByRole('heading', { name }).waitFor();

    await page.getByRole('button', { name: `Revoke ${name}` }).click();
    await page.getByRole('heading', { name: `Revoke “${name}”?` }).waitFor();

    const markup = "document.querySelector('sigra-tokens').shadowRoot.querySelectorAll('img, b').length";
    expect(await page.evaluate<number>(markup)).toBe(0);
    expect(visit.complaints).toEqual([]);
  });

  it('are created once from a request that is repeated after 503', async () => {
    const { page } = await visit.signIn();
    const keys: (string | undefined)[] = [];
    await page.route('**/api/tokens', async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      keys.push(route.request().headers()['idempotency-key']);
      const answer = await route.fetch();
      return keys.length === 1 ? route.fulfill({ status: 503 }) : route.fulfill({ response: answer });
    });

    await visit.createToken('Repeated');

    expect(keys).toEqual([expect.stringMatching(/^\w{32}$/), keys[0]]);
    await page.getByRole('button', { name: 'I have copied it' }).waitFor();
    await visit.page.keyboard.press('Escape');
    await page.getByText('You have not copied the token yet.').waitFor();
    await visit.page.keyboard.press('Escape');
    expect(await page.getByRole('heading', { name: 'Repeated' }).count()).toBe(1);
  });

  it('are not shown after a wrong password', async () => {
    const { page } = await visit.signIn('ada@example.com', 'sigra-demi');

    expect(await page.getByRole('alert').innerText()).toBe('Wrong email or password.');
    expect(await page.getByLabel('Email').inputValue()).toBe('ada@example.com');
    expect(await page.getByLabel('Password').inputValue()).toBe('');
    await visit.screenshot(`${adapter}-5-wrong-password`);
    await page.goto('/settings/tokens');
    expect(page.url()).toMatch(/\/login$/);
    expect(visit.complaints).toEqual([UNAUTHORIZED]);
  });

  it('have times in the time zone of the reader', async () => {
    const traveller = await site.visit({ timezoneId: 'America/New_York' });
    const { page } = await traveller.signIn();
    const data = { name: 'For days', scopes: ['read:projects'], expiresAt: new Date(Date.now() + 3 * 86_400_000) };
    await page.request.post('/api/tokens', { data, headers: { 'sec-fetch-site': 'same-origin' } });
    await page.goto('/settings/tokens');

    const time = page.locator('sigra-tokens time').first();

    expect(await time.innerText()).toBe('in 3 days');
    expect(await time.getAttribute('title')).toMatch(/^[A-Z][a-z]+ \d{1,2}, \d{4} at \d{1,2}:\d{2}\s[AP]M E[SD]T$/);
    expect(await time.getAttribute('datetime')).toBe(data.expiresAt.toISOString());
    await traveller.close();
  });
});
