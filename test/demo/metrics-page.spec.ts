import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { onDatabase } from '../support/database.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('the page of metrics in the demo on %s', (adapter) => {
  let demo: Demo;

  const call = (token: string) => fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
  const page = async (email?: string) => (await new Visitor(demo.url).signIn(email)).html('/settings/metrics');
  const numbers = (html: string, pattern: RegExp) => [...html.matchAll(pattern)].map(([, count]) => Number(count));

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('shows what /metrics counts: operations, refusals and durations', async () => {
    await call(demo.token);
    await call(demo.token.replace(/.$/, (last) => (last === '0' ? '1' : '0')));

    const html = await page();
    const series = await (await fetch(`${demo.url}/metrics`)).text();

    const [shown] = numbers(html, /<code>api_token\.verify<\/code>.*?<td class="figure">(\d+)</gs);
    const [counted] = numbers(
      series,
      /sigra_verifications_total\{sigra_operation="api_token.verify",otel_scope_name="nestjs-sigra"\} (\d+)/g,
    );
    expect(shown).toBe(counted);
    expect(html).toMatch(/<span class="badge">\d+<\/span> <code>invalid_token<\/code>/);
    expect(html).toMatch(/aria-label="Queries by duration: up to 0\.5 ms: \d+, /);
  });

  it('shows the requests with the user’s own tokens, by day', async () => {
    await onDatabase(demo.databaseUrl, (client) =>
      client.query(`
        INSERT INTO sigra_token_usage (token_id, day, requests)
        SELECT id, (now() AT TIME ZONE 'UTC')::date - age, 7 + age FROM sigra_api_tokens, unnest(ARRAY[1, 13, 14]) age
        WHERE name = 'Revoke me'`),
    );

    const html = await page();
    const graces = await page('grace@example.com');

    const [row] = [...html.matchAll(/<tr>.*?<\/tr>/gs)]
      .map(([each]) => each)
      .filter((each) => each.includes('Revoke me'));
    expect(numbers(row!, /<td class="figure">(\d+)</g)).toEqual([28]);
    expect(row).toMatch(/oldest first: 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, \d+"/);
    expect(row!.match(/<rect class="bar-fill"/g)).toHaveLength(14);
    expect(graces).toContain('No requests were counted yet.');
    expect(graces).not.toContain('Revoke me');
  });
});
