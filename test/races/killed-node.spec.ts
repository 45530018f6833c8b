import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken } from 'nestjs-sigra';
import { putTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';
import { ServerNode } from '../support/server-node.js';

describe('The background writes of a process', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  const startNode = () => ServerNode.start({ adapter: 'fastify', databaseUrl: test.databaseUrl });
  const issue = () => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
  const present = async ({ url }: ServerNode, rawToken: string) => {
    const response = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${rawToken}` } });
    await response.arrayBuffer();
    return response.status;
  };
  const wasUsed = async ({ token }: IssuedApiToken) => {
    const rows = await test.dataSource.query<object[]>(
      'SELECT FROM sigra_api_tokens WHERE id = $1 AND last_used_at IS NOT NULL',
      [token.id],
    );
    return rows.length === 1;
  };
  const countRefusals = async () => {
    const [row] = await test.dataSource.query<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM sigra_audit_events WHERE action = 'api.token_verify.failure'`,
    );
    return row!.count;
  };

  it('reach the database without another request, so a kill does not lose them', async () => {
    const node = await startNode();
    const issued = await issue();

    const statuses = [await present(node, issued.rawToken), await present(node, unknownToken())];
    // If the rows never appear, the time limit of the test ends this loop.
    while (!((await wasUsed(issued)) && (await countRefusals()) > 0)) await new Promise((next) => setTimeout(next, 50));
    await node.kill();

    expect(statuses).toEqual([200, 401]);
    expect([await wasUsed(issued), await countRefusals()]).toEqual([true, 1]);
  });

  it('are completed when the process is stopped', async () => {
    const node = await startNode();
    const issued = await issue();
    const before = await countRefusals();

    const statuses = [await present(node, issued.rawToken), await present(node, unknownToken())];
    await node.stop();

    expect(statuses).toEqual([200, 401]);
    expect([await wasUsed(issued), await countRefusals()]).toEqual([true, before + 1]);
  });
});

describe('The sweep of a process that is killed', () => {
  let test: TestApp;
  const cleanup = { schedule: '0 3 * * *', batchSize: 100 };

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  const count = async (sql: string) => {
    const [{ count: rows }] = await test.dataSource.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM ${sql}`,
    );
    return rows;
  };
  const unmarked = () => count('sigra_api_tokens WHERE revoked_at IS NULL');

  it('is finished by another one, and everything is refused all the time', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    await putTokens(test, 5_000);
    const other = await ServerNode.start({ adapter: 'fastify', databaseUrl: test.databaseUrl, cleanup });
    const node = await ServerNode.start({ adapter: 'express', databaseUrl: test.databaseUrl, cleanup });
    const headers = { authorization: `Bearer ${rawToken}` };

    const ended = await fetch(`${node.url}/me/lock-out`, { method: 'POST', headers });
    await node.kill();
    const left = await unmarked();
    const sweeps = await count('sigra_sweeps');
    const statuses = [await fetch(`${other.url}/me`, { headers })].map(({ status }) => status);
    const third = await ServerNode.start({ adapter: 'express', databaseUrl: test.databaseUrl, cleanup });
    await eventually(async () => (await count('sigra_sweeps')) === 0);

    expect([ended.status, ...statuses]).toEqual([204, 401]);
    expect(left).toBeGreaterThan(0);
    expect(sweeps).toBeGreaterThan(0);
    expect(await unmarked()).toBe(0);
    await Promise.all([other.stop(), third.stop()]);
  }, 60_000);
});
