import { expect, it } from '@jest/globals';
import { inSeconds, putTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { NoticeNode, type Told } from '../support/notice-node.js';
import { startTestApp } from '../support/test-app.js';

/** Of each threshold: a claim has 20. */
const TOKENS = 100;
const THRESHOLDS = [1, 7, 30];

it('tells each owner on three nodes with wrong clocks, and twice at most when one is killed', async () => {
  const test = await startTestApp();
  const daysOf = new Map<string, number>();
  for (const days of THRESHOLDS) {
    const ids = await putTokens(test, TOKENS, { expiresAt: inSeconds(test, days * 86_400 - 3600) });
    for (const id of ids) daysOf.set(id, days);
  }
  // Three tokens of each owner.
  await test.dataSource.query(
    `UPDATE sigra_api_tokens t SET owner_id = numbered.n % $1
     FROM (SELECT id, row_number() OVER (PARTITION BY expires_at) AS n FROM sigra_api_tokens) numbered
     WHERE numbered.id = t.id`,
    [TOKENS],
  );
  const owners = await test.dataSource.query<{ id: string; owner_id: string }[]>(
    'SELECT id, owner_id FROM sigra_api_tokens',
  );
  const told: Told[][] = [];
  const start = (skew: number) => {
    const ofNode: Told[] = [];
    told.push(ofNode);
    return NoticeNode.start({ databaseUrl: test.databaseUrl, skew, duration: 100 }, (each) => ofNode.push(each));
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
  // The survivors look at everything once more while the claims of the killed node last.
  await Promise.all(nodes.map((node) => node.send()));
  const unsent = await test.dataSource.query<object[]>('SELECT FROM sigra_token_notices WHERE sent_at IS NULL');
  // These claims end.
  await test.dataSource.query(
    `UPDATE sigra_token_notices SET retry_at = now() - interval '1 second' WHERE sent_at IS NULL`,
  );
  const before = told.flat().length;
  await Promise.all(nodes.map((node) => node.send()));

  const all = told.flat();
  const ids = all.map(({ tokenId }) => tokenId);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  expect(new Set(ids)).toEqual(new Set(daysOf.keys()));
  expect(new Set(twice).size).toBe(twice.length);
  expect(told[victim]?.map(({ tokenId }) => tokenId)).toEqual(expect.arrayContaining(twice));
  expect(unsent.length).toBeLessThanOrEqual(20);
  // The survivors send what the killed node had claimed.
  expect(all.length - before).toBe(unsent.length);
  expect(all.map(({ tokenId, days }) => [tokenId, days])).toEqual(ids.map((id) => [id, daysOf.get(id)]));
  const ownerOf = new Map(owners.map(({ id, owner_id }) => [id, owner_id]));
  expect(all.map(({ ownerId }) => ownerId)).toEqual(ids.map((id) => ownerOf.get(id)));
  await Promise.all(nodes.map((node) => node.stop()));
  await test.close();
}, 120_000);
