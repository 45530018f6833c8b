import { expect, it } from '@jest/globals';
import { inSeconds, putTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { startNoticeNode } from '../support/notice-node.js';
import { startTestApp } from '../support/test-app.js';

const TOKENS = 300;

it('tells each owner on three nodes with wrong clocks, and twice at most when one is killed', async () => {
  const test = await startTestApp();
  const ids = await putTokens(test, TOKENS, { expiresAt: inSeconds(test, 3 * 86_400) });
  const told: string[][] = [];
  const start = (skew: number) => {
    const ofNode: string[] = [];
    told.push(ofNode);
    return startNoticeNode({ databaseUrl: test.databaseUrl, skew, duration: 100 }, (id) => ofNode.push(id));
  };
  const nodes = await Promise.all([-2, 0, 2].map(start));

  // Whichever starts first.
  let victim = -1;
  await eventually(() => {
    victim = told.findIndex((ofNode) => ofNode.length > 30);
    return victim !== -1;
  });
  const [killed] = nodes.splice(victim, 1);
  await killed?.kill();
  const unsent = async () => {
    const rows = await test.dataSource.query<{ id: string }[]>(
      `SELECT t.id FROM sigra_api_tokens t WHERE NOT EXISTS (
         SELECT FROM sigra_token_notices n WHERE n.token_id = t.id AND (n.sent_at IS NOT NULL OR n.retry_at > now() + interval '1 hour'))`,
    );
    return rows.length;
  };
  await eventually(() => told.flat().length >= TOKENS);
  // The claims of the killed node end.
  await test.dataSource.query(
    `UPDATE sigra_token_notices SET retry_at = now() - interval '1 second' WHERE sent_at IS NULL`,
  );
  nodes.push(await start(0));
  await eventually(async () => (await unsent()) === 0);

  const all = told.flat();
  const twice = all.filter((id, index) => all.indexOf(id) !== index);
  expect(new Set(all)).toEqual(new Set(ids));
  expect(new Set(twice).size).toBe(twice.length);
  expect(told[victim]).toEqual(expect.arrayContaining(twice));
  expect(twice.length).toBeLessThanOrEqual(20);
  await Promise.all(nodes.map((node) => node.stop()));
  await test.close();
}, 120_000);
