import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { ADAPTERS } from '../support/test-app.js';
import { jsonOf, rawTokenOn, Visitor } from '../support/visitor.js';
import { DEMO_TIMEOUT, startDemoProcess } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('a raw token that the demo shows on %s', (adapter) => {
  let demo: Awaited<ReturnType<typeof startDemoProcess>>;

  beforeAll(async () => {
    demo = await startDemoProcess({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('does not appear in any table, log or other page', async () => {
    const ada = await new Visitor(demo.url).signIn();
    const html = await (await ada.createToken({ name: 'Secret', scopes: ['read:projects'] })).text();
    const raw = rawTokenOn(html)!;
    const { tokens } = await jsonOf<{ tokens: { id: string }[] }>(ada.send('/api/tokens'));
    const { id } = tokens.at(-1)!;
    await fetch(`${demo.url}/api/me`, { headers: { authorization: `Bearer ${raw}` } });
    await ada.sendJson('POST', `/api/tokens/${id}/rotate`, { graceSeconds: 3600 });
    await fetch(`${demo.url}/api/me?access_token=${raw}`);

    const pages = await Promise.all(
      ['/', '/settings/tokens', '/settings/audit', '/organization', '/settings/metrics', '/docs', '/metrics'].map(
        (path) => ada.html(path),
      ),
    );
    const tables = await everyRowOf(demo.databaseUrl);
    await demo.process.terminate();

    expect(raw).toHaveLength(58);
    expect(tables).toContain('Secret');
    expect(tables).not.toContain(raw);
    expect(tables).not.toContain(demo.token);
    expect(pages.join()).not.toContain(raw);
    expect(demo.process.output + demo.process.errors).not.toContain(raw);
  });
});

async function everyRowOf(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
    );
    const rows: string[] = [];
    for (const { name } of tables) {
      const result = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
      rows.push(...result.rows.map(({ row }) => row));
    }
    return rows.join('\n');
  } finally {
    await client.end();
  }
}
