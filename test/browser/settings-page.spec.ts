import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { onDatabase } from '../support/database.js';
import { Site, type Visit } from '../support/site.js';

const MANY = 997;
/** Tokens of Grace, in addition to those of the demo. The newest is number 1. */
const INSERT_MANY = `
  INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
  SELECT gen_random_uuid(), 'user', id::text, 0, 'Job ' || n, 'sigra_sk_', 'abcd', sha256(n::text::bytea), '{read:projects}',
    now() - n * interval '1 second'
  FROM demo_users, generate_series(1, ${MANY}) n WHERE email = 'grace@example.com'`;
const ELEMENT = "document.querySelector('sigra-tokens')";
const SESSION_ENDED = 'Your session has ended. Sign in again.';
const REFUSED = /^Failed to load resource: the server responded with a status of (?:401|403|404|429|503)/;

describe('<sigra-tokens>', () => {
  let site: Site;
  let visit: Visit;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());
  beforeEach(async () => {
    visit = await site.visit();
  });
  afterEach(() => visit.close());

  const rows = () => visit.page.locator('sigra-tokens [part=token]');
  const row = (name: string) => visit.page.getByRole('heading', { name, exact: true });
  const notice = (text: string) => visit.page.getByText(text, { exact: true }).waitFor();
  const focused = () => visit.page.evaluate<string>(`${ELEMENT}.shadowRoot.activeElement?.textContent`);
  /** Requests of the API that the element has sent. */
  const requests = (path: string) => {
    const sent: string[] = [];
    visit.page.on('request', (request) => {
      if (new URL(request.url()).pathname === path) sent.push(request.method());
    });
    return sent;
  };
  /** The demo leads to its sign-in page after a 401: another application can stay on its page. */
  const stayOnThePage = () =>
    visit.page.route('**/assets/tokens.js?*', (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));

  it('shows a thousand tokens page by page, and finds every one of them', async () => {
    await onDatabase(site.demo.databaseUrl, (client) => client.query(INSERT_MANY));
    const { page } = await visit.signIn('grace@example.com');
    await notice('The newest 50');
    expect(await rows().count()).toBe(50);

    await page.getByRole('button', { name: 'Show more' }).click();
    await notice('The newest 100');
    expect(await rows().count()).toBe(100);
    expect(await focused()).toBe(await rows().nth(50).getByRole('heading').innerText());

    await page.getByLabel('Search by name or first characters').fill('job 99');
    await notice('9 tokens found');
    await page.getByRole('button', { name: 'Revoke Job 997' }).click();
    await visit.press('Revoke token');
    await notice('8 tokens found');
    await page.getByLabel('Search by name or first characters').fill('job 997');
    await notice('No token matches “job 997”.');

    const sent = requests('/api/tokens');
    await page.getByLabel('Search by name or first characters').fill('');
    await page.getByRole('button', { name: 'Edit Job 1', exact: true }).click();
    await page.getByLabel('Name', { exact: true }).fill('Job one');
    await visit.press('Save');
    await row('Job one').waitFor();
    await notice('The newest 50');
    // The list that is shown is loaded again, not the thousand.
    expect(sent).toEqual(['GET']);
    await page.getByRole('button', { name: 'Revoke all tokens' }).click();
    await visit.press('Revoke all tokens');
    await notice('Create your first token');
    expect(visit.complaints).toEqual([]);
  });

  it('updates the list in other tabs, also behind an open dialog', async () => {
    await visit.signIn();
    const other = await visit.context.newPage();
    await other.goto('/settings/tokens');
    await other.getByRole('button', { name: 'Edit Revoke me' }).click();
    await other.getByLabel('Description').fill('Half a sentence');

    await visit.createToken('From the first tab');
    const created = other.getByRole('heading', { name: 'From the first tab', includeHidden: true });
    await created.waitFor({ state: 'attached' });
    expect(await other.getByLabel('Description').inputValue()).toBe('Half a sentence');
    await other.keyboard.press('Escape');
    expect(await other.evaluate(`${ELEMENT}.shadowRoot.activeElement?.textContent`)).toBe('Edit');

    await other.getByRole('button', { name: 'Revoke From the first tab' }).click();
    await other.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click();
    await row('From the first tab').waitFor({ state: 'detached' });
    expect(visit.complaints).toEqual([]);
  });

  it('says that a token is gone which another tab has revoked', async () => {
    await visit.signIn();
    await visit.createToken('Gone');
    await visit.press('I have copied it');
    await visit.page.getByRole('button', { name: 'Rotate Gone' }).click();
    const { tokens } = (await (await visit.page.request.get('/api/tokens?order=newest')).json()) as {
      tokens: { id: string; name: string }[];
    };
    const { id } = tokens.find(({ name }) => name === 'Gone')!;
    const headers = { 'sec-fetch-site': 'same-origin' };
    await visit.page.request.delete(`/api/tokens/${id}`, { headers });

    await visit.press('Rotate token');

    await notice('This token is not active any more: it was revoked, replaced or has expired.');
    await row('Gone').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Active tokens');
  });

  it('keeps the form when the session has ended, and creates the token after the next sign-in', async () => {
    await stayOnThePage();
    const { page } = await visit.signIn();
    await visit.fillInForm('Patient');
    await visit.context.clearCookies();

    await visit.press('Create token');
    await notice(SESSION_ENDED);
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Patient');
    await page.request.post('/session', { data: { email: 'ada@example.com', password: 'sigra-demo' } });
    await visit.press('Create token');

    expect(await page.locator('#raw-token').innerText()).toMatch(/^sigra_sk_/);
    expect(visit.complaints.filter((text) => !REFUSED.test(text))).toEqual([]);
  });

  it('removes the list when the session has ended', async () => {
    await stayOnThePage();
    const { page } = await visit.signIn();
    await row('Revoke me').waitFor();
    await visit.context.clearCookies();

    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
    await notice(SESSION_ENDED);
    expect(await rows().count()).toBe(0);
    expect(await page.getByText('Create your first token').isVisible()).toBe(false);

    await page.getByRole('button', { name: 'Try again' }).click();
    await notice(SESSION_ENDED);
    expect(await focused()).toBe('Active tokens');
  });

  it('leads to the sign-in page of the demo when the session has ended', async () => {
    const { page } = await visit.signIn();
    await row('Revoke me').waitFor();
    await visit.context.clearCookies();

    await page.evaluate(`${ELEMENT}.reload()`);

    await page.waitForURL('**/login');
  });

  it('manages the tokens of an organization, and names the member who made one', async () => {
    const { page } = await visit.signIn();
    await page.goto('/organization');
    await visit.fillInForm('Nightly export');
    expect(await page.getByLabel('api_tokens:write').count()).toBe(0);
    await visit.press('Create token');
    const raw = await page.locator('#raw-token').innerText();
    await visit.press('I have copied it');

    expect(await rows().filter({ hasText: 'Nightly export' }).innerText()).toMatch(/Made by\s+ada@example\.com/);
    expect(await visit.fetchWith(raw)).toBe(200);
    await page.goto('/settings/tokens');
    await row('Revoke me').waitFor();
    expect(await row('Nightly export').count()).toBe(0);
    await page.goto('/organization');
    await page.getByRole('button', { name: 'Revoke Nightly export' }).click();
    await visit.press('Revoke token');
    await row('Nightly export').waitFor({ state: 'detached' });
    expect(visit.complaints).toEqual([]);
    expect(await visit.fetchWith(raw)).toBe(401);
  });

  it('offers the kinds of tokens that the owner can have', async () => {
    await visit.page.route('**/api/scopes', async (route) => {
      const answer = await route.fetch();
      const choices = (await answer.json()) as { kinds: object[] };
      const kinds = [
        { ...choices.kinds[0], name: 'live', ownerTypes: null },
        { ...choices.kinds[0], name: 'deploy', ownerTypes: ['organization'] },
        { ...choices.kinds[0], name: 'personal', ownerTypes: ['user'] },
      ];
      await route.fulfill({ response: answer, json: { ...choices, kinds } });
    });
    const { page } = await visit.signIn();
    const offered = async () => {
      await visit.openForm();
      return page.getByLabel('Kind').getByRole('option').allInnerTexts();
    };

    const ofUser = await offered();
    await page.goto('/organization');
    const ofOrganization = await offered();

    expect(ofUser).toEqual(['live', 'personal']);
    expect(ofOrganization).toEqual(['live', 'deploy']);
    expect(visit.complaints).toEqual([]);
  });

  it('waits for the answer that has the raw token, and keeps it while the page renders again', async () => {
    const { page } = await visit.signIn();
    await page.goto('/settings/tokens');
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/api/tokens', async (route) => {
      if (route.request().method() === 'POST') await asked;
      await route.continue();
    });
    await visit.fillInForm('Slow');
    await visit.press('Create token');
    for (const key of ['Escape', 'Escape', 'Escape']) await page.keyboard.press(key);
    await visit.press('Cancel');
    expect(await page.getByRole('dialog').isVisible()).toBe(true);
    answer();
    const raw = await page.locator('#raw-token').innerText();

    // As a framework does that renders again after an event.
    await page.evaluate(`Object.assign(${ELEMENT}, {
      headers: () => ({ 'x-trace': '1' }), texts: { heading: 'Keys' }, nameOfOwner: ({ id }) => id,
    })`);
    await page.evaluate(`${ELEMENT}.setAttribute('page-size', '5')`);
    expect(await page.locator('#raw-token').innerText()).toBe(raw);
    await visit.press('I have copied it');

    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    expect(await page.evaluate<string>(`${ELEMENT}.shadowRoot.innerHTML`)).not.toContain(raw);
  });

  it('sends the headers that a page has set before it loads the module, and reads a function for every request', async () => {
    const { page } = await visit.signIn();
    // The page after the sign-in has a list as well.
    await row('Revoke me').waitFor();
    const traces: (string | undefined)[] = [];
    await page.route('**/api/tokens?*', (route) => {
      traces.push(route.request().headers()['x-trace']);
      return route.continue();
    });
    await page.addInitScript(`let count = 0;
      addEventListener('readystatechange', () => {
        const element = ${ELEMENT};
        if (element && !element.headers) element.headers = () => ({ 'x-trace': String(++count) });
      }, true)`);
    await page.goto('/settings/tokens');
    await row('Revoke me').waitFor();
    await page.evaluate(`${ELEMENT}.reload()`);

    expect(traces.map(Number)).toEqual([...traces.map(Number)].sort());
    expect(traces).not.toContain(undefined);
    expect(new Set(traces).size).toBe(traces.length);
  });

  it.each([
    [429, { 'retry-after': '7' }, 'Too many requests. Try again in 7 seconds.'],
    [503, { 'retry-after': '60' }, 'The server does not answer at the moment. Nothing is lost: try again.'],
    [200, { 'content-type': 'text/html' }, 'The server does not answer at the moment. Nothing is lost: try again.'],
  ])('keeps the input after %i', async (status, headers, text) => {
    const { page } = await visit.signIn();
    await row('Revoke me').waitFor();
    await page.route('**/api/tokens/*', (route) => route.fulfill({ status, headers, body: '<h1>Sign in</h1>' }));
    await page.getByRole('button', { name: 'Edit Revoke me' }).click();
    await page.getByLabel('Description').fill('Kept');

    const sent = requests(await idPathOf('Revoke me'));
    await visit.press('Save');
    await notice(text);

    expect(await page.getByLabel('Description').inputValue()).toBe('Kept');
    expect(sent).toEqual(['PATCH']);
  });

  const idPathOf = async (name: string) => {
    const key = await row(name).getAttribute('data-key');
    return `/api/tokens/${key!.split(':')[0]}`;
  };

  it('ends its requests when it is removed, without errors and without a repetition', async () => {
    const { page } = await visit.signIn();
    await row('Revoke me').waitFor();
    await page.route('**/api/tokens?*', () => undefined);
    const failed = page.waitForEvent('requestfailed');

    await page.evaluate(`void ${ELEMENT}.reload()`);
    await page.evaluate(`${ELEMENT}.remove()`);

    expect((await failed).failure()?.errorText).toBe('net::ERR_ABORTED');
    expect(visit.complaints).toEqual([]);
  });

  it('updates a second element on the same page', async () => {
    const { page } = await visit.signIn();
    await row('Revoke me').waitFor();
    await page.evaluate(`${ELEMENT}.after(${ELEMENT}.cloneNode())`);
    const [first, second] = [page.locator('sigra-tokens').first(), page.locator('sigra-tokens').last()];
    await second.getByRole('button', { name: 'Edit Revoke me' }).click();
    await second.getByLabel('Name', { exact: true }).fill('Revoke me, please');
    await second.getByRole('button', { name: 'Save' }).click();

    await first.getByRole('heading', { name: 'Revoke me, please' }).waitFor();
    expect(visit.complaints).toEqual([]);
  });
});
