import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Site, type Visit } from '../support/site.js';
import { root } from '../support/source.js';

const ELEMENT = "document.querySelector('sigra-tokens')";

describe('the dialogs of <sigra-tokens>', () => {
  let site: Site;
  let visit: Visit;

  beforeAll(async () => {
    site = await Site.open();
  });
  afterAll(() => site.close());
  beforeEach(async () => {
    visit = await (await site.visit()).signIn();
    await visit.page.waitForURL('**/settings/tokens');
    await visit.page.getByRole('heading', { name: 'Revoke me' }).waitFor();
  });
  afterEach(() => visit.close());

  const dialog = () => visit.page.getByRole('dialog');
  /** What a screen reader is given. */
  const tree = () => dialog().ariaSnapshot();

  it('show the catalogue of scopes: groups, titles, names, what a scope includes, and which are powerful', async () => {
    await visit.page.route('**/api/scopes', async (route) => {
      const answer = await route.fetch();
      const choices = (await answer.json()) as { catalogue: { name: string }[] };
      const catalogue = choices.catalogue.map((scope) =>
        scope.name === 'write:projects' ? { ...scope, description: 'Not delete.', implies: ['read:projects'] } : scope,
      );
      await route.fulfill({ response: answer, json: { ...choices, catalogue } });
    });
    await visit.page.reload();
    await visit.openForm();

    const group = dialog().getByRole('group', { name: 'Used by this demo' });
    const labels = await group
      .getByRole('checkbox')
      .evaluateAll((boxes) =>
        boxes.map((box) => (box as unknown as { labels: { innerText: string }[] }).labels[0]!.innerText.split('\n')),
      );

    expect(labels).toEqual([
      ['List your API tokens', 'api_tokens:read'],
      ['Create, change, rotate and revoke your API tokens Powerful', 'api_tokens:write'],
      ['List your projects', 'read:projects'],
      ['Create projects', 'write:projects', 'Not delete.', 'Includes read:projects'],
      ['See the statistics of the demo', 'admin'],
    ]);
    expect(visit.complaints).toEqual([]);
  });

  it('say what each field is, and which have errors', async () => {
    await visit.openForm();
    await visit.page.getByLabel('Expires').selectOption('custom');
    await visit.press('Create token');

    expect(await tree()).toMatch(/dialog "Create a token"/);
    expect(await dialog().getByRole('textbox', { name: 'Name' }).getAttribute('aria-invalid')).toBe('true');
    for (const [label, error] of [
      ['Name', 'Give the token a name.'],
      ['Last day', 'Choose the last day.'],
    ] as const) {
      const field = dialog().getByLabel(label, { exact: true });
      const ids = (await field.getAttribute('aria-describedby'))!.split(' ');
      const described = await Promise.all(ids.map((id) => dialog().locator(`#${id}`).innerText()));
      expect(described).toContain(error);
    }
  });

  it('refuse a day in the past at its field, without a request', async () => {
    const sent: string[] = [];
    visit.page.on('request', (request) => sent.push(request.method()));
    await visit.fillInForm('Too late');
    await visit.page.getByLabel('Expires').selectOption('custom');
    const day = visit.page.getByLabel('Last day');
    await day.fill('2024-02-29');
    sent.length = 0;

    await visit.press('Create token');

    const error = dialog().getByText('This day is in the past.', { exact: true });
    await error.waitFor();
    expect(await day.getAttribute('aria-describedby')).toBe(await error.getAttribute('id'));
    expect(await day.getAttribute('aria-invalid')).toBe('true');
    expect(await day.and(visit.page.locator(':focus')).count()).toBe(1);
    expect(sent).toEqual([]);

    await day.fill('2999-12-31');
    await visit.press('Create token');
    await visit.page.locator('#raw-token').waitFor();
    expect(sent).toContain('POST');
  });

  it.each([
    ['At once', 401],
    ['In an hour', 200],
  ])('say what becomes of a token that is rotated, and when: %s', async (grace, status) => {
    const name = `Rotated ${grace}`;
    const old = await visit.createToken(name);
    await visit.press('I have copied it');
    await visit.page.getByRole('button', { name: `Rotate ${name}` }).click();
    await dialog().getByLabel(grace).check();
    const note = dialog().locator('[part=note]');
    const promise = await note.innerText();
    const announced = await note.getAttribute('aria-live');
    await visit.press('Rotate token');
    await visit.page.locator('#raw-token').waitFor();

    const mask = `sigra_sk_${old.slice('sigra_sk_'.length, 'sigra_sk_'.length + 4)}`;
    expect(promise).toContain(mask);
    expect(promise).toMatch(
      status === 401 ? /is refused from the next request on\.$/ : /works until .*\d{4}.*\d{1,2}:\d{2}/,
    );
    expect(announced).toBe('polite');
    // The dialog with the new token repeats it.
    expect((await dialog().locator('[part=note]').innerText()).slice(0, 30)).toBe(promise.slice(0, 30));
    expect(await visit.fetchWith(old)).toBe(status);
    const successor = await visit.page.locator('#raw-token').innerText();
    expect(await visit.fetchWith(successor)).toBe(200);
  });

  it('announce results in live regions that exist before their text', async () => {
    const notice = visit.page.locator('sigra-tokens').getByRole('status').and(visit.page.locator('[part~=notice]'));
    await notice.waitFor({ state: 'attached' });
    await visit.page.evaluate(`${ELEMENT}.shadowRoot.querySelector('[part~=notice]').dataset.same = 'yes'`);
    expect(await notice.innerText()).toBe('');

    await visit.openForm();
    const alert = dialog().locator('[role=alert]');
    expect(await alert.innerText()).toBe('');
    await visit.page.getByLabel('Name', { exact: true }).fill('Announced');
    await visit.page.getByLabel('read:projects').check();
    await visit.page.route('**/api/tokens', (route) => route.fulfill({ status: 503 }), { times: 1 });
    await visit.page.route(
      '**/api/tokens',
      (route) => route.fulfill({ status: 429, headers: { 'retry-after': '2' } }),
      {
        times: 1,
      },
    );
    await visit.press('Create token');
    await dialog().getByRole('alert').filter({ hasText: 'Too many requests.' }).waitFor();
    await visit.press('Create token');
    await visit.page.locator('#raw-token').waitFor();
    await visit.press('I have copied it');

    await notice.filter({ hasText: '“Announced” is created.' }).waitFor();
    expect(await notice.getAttribute('data-same')).toBe('yes');
  });

  it('take each custom property that the documentation names', async () => {
    const { page } = visit;
    const colour = (index: number) => `rgb(${index}, 2, 3)`;
    // Where each can be seen: a selector in the shadow tree, and a property.
    const seen: Readonly<Record<string, readonly [selector: string, property: string]>> = {
      '--sigra-text': ['[part=token-name]', 'color'],
      '--sigra-muted': ['[part=count]', 'color'],
      '--sigra-surface': ['[part=panel]', 'backgroundColor'],
      '--sigra-sunken': ['[part=chip]', 'backgroundColor'],
      '--sigra-line': ['[part=foot]', 'borderTopColor'],
      '--sigra-control-line': ['textarea', 'borderTopColor'],
      '--sigra-accent': ['[part="button primary"]', 'backgroundColor'],
      '--sigra-on-accent': ['[part="button primary"]', 'color'],
      '--sigra-accent-soft': ['[part=notice]', 'backgroundColor'],
      '--sigra-danger': ['[part="button danger-solid"]', 'backgroundColor'],
      '--sigra-on-danger': ['[part="button danger-solid"]', 'color'],
      '--sigra-danger-soft': ['[part~=alert]', 'backgroundColor'],
      '--sigra-warn-soft': ['[part="badge warn"]', 'backgroundColor'],
      '--sigra-warn-text': ['[part="badge warn"]', 'color'],
      '--sigra-radius': ['[part=panel]', 'borderTopLeftRadius'],
      '--sigra-shadow': ['[part=panel]', 'boxShadow'],
      '--sigra-font': [':host', 'fontFamily'],
      '--sigra-mono': ['[part=mask]', 'fontFamily'],
    };
    const values = Object.fromEntries(Object.keys(seen).map((name, index) => [name, colour(index + 1)]));
    Object.assign(values, {
      '--sigra-radius': '7px',
      '--sigra-shadow': 'rgb(16, 2, 3) 0px 1px 2px 0px',
      '--sigra-font': 'Sigra-Font',
      '--sigra-mono': 'Sigra-Mono',
    });
    await page.evaluate(
      `for (const [name, value] of Object.entries(${JSON.stringify(values)})) ${ELEMENT}.style.setProperty(name, value)`,
    );

    const shown: Record<string, string> = {};
    const look = async () => {
      for (const [name, [selector, property]] of Object.entries(seen)) {
        const value = await page.evaluate<string | null>(`(() => {
          const root = ${ELEMENT}.shadowRoot;
          const found = ${JSON.stringify(selector)} === ':host' ? root.host : root.querySelector(${JSON.stringify(selector)});
          return found && getComputedStyle(found)[${JSON.stringify(property)}];
        })()`);
        if (value !== null) shown[name] = value;
      }
    };
    await look();
    await visit.openForm();
    await look();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Revoke Revoke me' }).click();
    await look();

    const documented = new Set(readFileSync(`${root}docs/ui.md`, 'utf8').match(/--sigra-[a-z-]+/g));
    expect(Object.keys(seen).sort()).toEqual([...documented].sort());
    expect(shown).toEqual(values);
  });
});
