import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { onDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { counts, held, line } from '../support/fault-record.js';
import { ROUNDS } from '../support/fault-scene.js';
import { type Flood, idle, malformedTokens, presenting, slowHeaders, unknownTokens } from '../support/floods.js';
import { HonestClient } from '../support/honest-client.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';
import { ServerNode } from '../support/server-node.js';
import { ADAPTERS } from '../support/test-app.js';

/** A minute with `SIGRA_ROUNDS=10`. */
const SECONDS = ROUNDS === 1 ? 2 : 6 * ROUNDS;
const POOL = 10;
const REVOKED = 50;
/** Each end of a connection needs an open file of its own process, beside those that it has already. */
const CONNECTIONS = Math.min(2000 * ROUNDS, 10_000, openFiles() - 1000);
const HEAP_BYTES = 32e6;
/** Until the audit trail has a row, with time for a busy machine. */
const WRITTEN_SECONDS = 10;

describe.each(ADAPTERS)('Under a flood, an honest client of %s is answered', (adapter) => {
  const refused = { unknown: 0, revoked: 0 };
  const revoked: string[] = [];
  let database: TestDatabase;
  let node: ServerNode;
  let honest: HonestClient;
  let rawToken: string;

  beforeAll(async () => {
    database = await createMigratedDatabase(USERS);
    const [owner, other] = [randomUUID(), randomUUID()];
    await onDatabase(database.url, (client) =>
      client.query('INSERT INTO users (id, email) SELECT id, id::text FROM unnest($1::uuid[]) AS id', [[owner, other]]),
    );
    node = await ServerNode.start({ adapter, databaseUrl: database.url, poolSize: POOL });
    rawToken = await createToken(node.url, owner);
    while (revoked.length < REVOKED) revoked.push(await createToken(node.url, owner));
    await fetch(`${node.url}/api/tokens`, { method: 'DELETE', headers: { 'x-session-user': owner } });
    rawToken = await createToken(node.url, owner);
    honest = await HonestClient.start({ url: node.url, rawToken: await createToken(node.url, other) });
  }, 60_000);
  afterAll(async () => {
    await honest.stop();
    await node.stop();
    await database.drop();
  });

  const failures = () =>
    onDatabase(database.url, async (client) => {
      const { rows } = await client.query<{ reason: string; rows: number; refusals: number }>(
        `SELECT metadata->>'reason' AS reason, count(*)::int AS rows, sum((metadata->>'count')::int)::int AS refusals
         FROM sigra_audit_events WHERE action = 'api.token_verify.failure' GROUP BY 1 ORDER BY 1`,
      );
      return rows;
    });
  const allRows = () =>
    onDatabase(database.url, async (client) => {
      const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM sigra_audit_events');
      return rows[0]!.count;
    });

  /**
   * @param status of all answers to the flood
   * @param counted how many counters of refusals there are: each writes a row at once, and the next ones after a minute and more
   */
  async function withstand(name: string, flood: Flood, status: string | undefined, counted: number) {
    await honest.report();
    await delay(500);
    const calm = await honest.report();
    const before = await node.holdings();
    const rowsBefore = await allRows();

    const start = performance.now();
    const end = await flood(node.url);
    await delay(SECONDS * 1000);
    const { count, statuses } = await end();
    const seconds = (performance.now() - start) / 1000;
    const during = await honest.report();
    const { longestTurn } = await node.holdings();
    const after = await eventually(async () => {
      const holdings = await node.holdings();
      return holdings.sockets <= before.sockets + POOL && holdings.timers <= before.timers + 2 && holdings;
    });
    const rows = (await allRows()) - rowsBefore;

    line([
      adapter,
      name,
      `${count} in ${seconds.toFixed(0)} s, ${Math.round(count / seconds)} per second`,
      counts(statuses),
      `honest client: ${counts(during.statuses)}`,
      `p50 ${calm.p50} -> ${during.p50} ms, p99 ${calm.p99} -> ${during.p99} ms, at most ${during.longest} ms`,
      `longest turn ${longestTurn} ms`,
      `${rows} audit rows`,
      held(before, after),
    ]);
    expect(Object.keys(during.statuses)).toEqual(['200']);
    if (status !== undefined) expect(Object.keys(statuses)).toEqual([status]);
    expect(count).toBeGreaterThan(0);
    expect(rows).toBeLessThanOrEqual(counted * (1 + Math.floor((seconds + WRITTEN_SECONDS) / 60)));
    expect(after.heap - before.heap).toBeLessThan(HEAP_BYTES);
    return count;
  }

  const limit = 60_000 + SECONDS * 3000;

  it(
    'while unknown tokens are sent, which are counted in one row a minute',
    async () => {
      refused.unknown = await withstand('unknown tokens', unknownTokens, '401', 1);
    },
    limit,
  );

  it(
    'while malformed tokens are sent, which leave no row',
    async () => {
      // The last rows of the flood before can still come.
      await withstand('malformed tokens', malformedTokens, '401', 1);
    },
    limit,
  );

  it(
    'while revoked tokens are sent, which are counted in one row a minute each',
    async () => {
      const flood = presenting(32, (random) => random.pick(revoked));
      refused.revoked = await withstand('revoked tokens', flood, '401', REVOKED + 1);
    },
    limit,
  );

  it(
    'while a thousand connections use one token',
    async () => {
      await withstand(
        'one token, 1000 connections',
        presenting(1000, () => rawToken),
        '200',
        REVOKED + 1,
      );
    },
    limit,
  );

  it(
    'while a thousand connections send their headers slowly',
    async () => {
      await withstand('slow headers, 1000 connections', slowHeaders(1000), undefined, REVOKED + 1);
    },
    limit,
  );

  it(
    `while ${CONNECTIONS} connections are idle`,
    async () => {
      await withstand(`${CONNECTIONS} idle connections`, idle(CONNECTIONS), undefined, REVOKED + 1);
    },
    limit,
  );

  it('and every refusal was counted', async () => {
    await node.stop();

    const found = await failures();
    expect(found).toEqual([
      { reason: 'token_revoked', rows: expect.any(Number), refusals: refused.revoked },
      { reason: 'unknown_token', rows: expect.any(Number), refusals: refused.unknown },
    ]);
  });
});

async function createToken(url: string, userId: string): Promise<string> {
  const answer = await fetch(`${url}/api/tokens`, {
    method: 'POST',
    headers: { 'x-session-user': userId, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'CI', scopes: ['read:notes'] }),
  });
  return ((await answer.json()) as { rawToken: string }).rawToken;
}

/** How many files a process can have open. Node raises its limit to the most that it can. */
function openFiles(): number {
  const { userLimits } = process.report.getReport() as unknown as {
    userLimits: { open_files: { soft: number | 'unlimited' } };
  };
  return Number(userLimits.open_files.soft) || Infinity;
}
