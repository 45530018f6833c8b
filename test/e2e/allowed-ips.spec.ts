import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CreateApiToken } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { auditRows } from '../support/audit-rows.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { sendFrom, type SentRequest } from '../support/send-from.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';
import { unknownToken } from '../support/unknown-token.js';

const HOME = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';

describe.each(ADAPTERS)('API tokens that are limited to addresses, on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  const create = (request: Partial<CreateApiToken> = {}) =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['*'], allowedIps: [HOME], ...request });
  const send = (from: string, rawToken: string, sent: Partial<SentRequest> = {}) =>
    sendFrom(from, test.url, {
      path: '/notes/me',
      ...sent,
      headers: { authorization: `Bearer ${rawToken}`, ...sent.headers },
    });

  it('are refused from elsewhere as an unknown token is', async () => {
    const { rawToken } = await create();

    const accepted = await send(HOME, rawToken);
    const refused = await send(ELSEWHERE, rawToken);

    expect(accepted.status).toBe(200);
    expect(refused.status).toBe(401);
    expect(refused).toEqual(await send(ELSEWHERE, unknownToken()));
  });

  it('are told apart in the audit trail only, and count no use from elsewhere', async () => {
    const { rawToken, token } = await create();

    await send(ELSEWHERE, rawToken);
    await send(ELSEWHERE, rawToken);
    await flushBackgroundWrites(test.app);

    expect((await auditRows(test.dataSource, token.id)).at(-1)).toMatchObject({
      action: 'api.token_verify.failure',
      outcome: 'failure',
      ip_address: ELSEWHERE,
      metadata: { reason: 'ip_not_allowed', userId: test.user.id, count: 2 },
    });
    expect(await test.tokens.lookup(rawToken)).toMatchObject({ token: { lastUsedAt: null, allowedIps: [HOME] } });
  });

  it('are refused where a client only claims an address', async () => {
    const { rawToken } = await create();
    const headers = { 'x-forwarded-for': HOME, 'x-real-ip': HOME, forwarded: `for=${HOME}` };

    expect((await send(ELSEWHERE, rawToken, { headers })).status).toBe(401);
  });

  it('are created, listed, changed and rotated with their addresses', async () => {
    const page = TokenClient.inSession(test, (await test.addUser('grace@example.com')).id);

    const created = await page.create({
      name: 'CI',
      scopes: ['read:notes'],
      allowedIps: ['127.0.0.0/8', '::ffff:127.0.0.0/104', '2001:DB8::/32'],
    });
    const listed = await page.list();
    const changed = await page.update(created.body.token.id, { allowedIps: [`${HOME}/32`] });
    const rotated = await page.rotate(created.body.token.id);

    expect(created.body.token.allowedIps).toEqual(['127.0.0.0/8', '2001:db8::/32']);
    expect(listed.body.tokens).toEqual([created.body.token]);
    expect(changed.body.token.allowedIps).toEqual([HOME]);
    expect(rotated.body.token.allowedIps).toEqual([HOME]);
    expect((await send(HOME, rotated.body.rawToken)).status).toBe(200);
    expect((await send(ELSEWHERE, rotated.body.rawToken)).status).toBe(401);
  });

  it.each<[string, unknown]>([
    ['a string', HOME],
    ['an empty array', []],
    ['51 addresses', Array.from({ length: 51 }, (_, index) => `192.0.2.${index}`)],
    ['a name', ['localhost']],
    ['a number', [2130706433]],
    ['a range that does not begin with its first address', ['10.0.0.5/8']],
    ['a prefix length of 33', ['10.0.0.0/33']],
    ['a zone id', ['fe80::1%eth0']],
  ])('are not created or changed with %s', async (_what, allowedIps) => {
    const page = TokenClient.inSession(test);
    const { token } = await create();

    const answers = [
      await page.create({ name: 'CI', scopes: ['read:notes'], allowedIps }),
      await page.update(token.id, { allowedIps }),
    ];

    expect(answers.map(({ status, body }) => [status, body.error])).toEqual([
      [400, 'invalid_allowed_ips'],
      [400, 'invalid_allowed_ips'],
    ]);
  });

  it('are not rotated by a token without a common address, because the successor would be unusable', async () => {
    const { rawToken, token } = await create();
    const maker = await test.tokens.create(test.user, { name: 'maker', scopes: ['*'], allowedIps: [ELSEWHERE] });

    const answer = await send(ELSEWHERE, maker.rawToken, {
      method: 'POST',
      path: `/api/tokens/${token.id}/rotate`,
      body: {},
    });

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_allowed_ips']);
    expect((await send(HOME, rawToken)).status).toBe(200);
  });

  it('repeat the answer to a rotation only where they were accepted', async () => {
    const { rawToken, token } = await create();
    const rotation = {
      method: 'POST',
      path: `/api/tokens/${token.id}/rotate`,
      body: {},
      headers: { 'idempotency-key': 'a-key-of-this-rotation' },
    };
    const first = await send(HOME, rawToken, rotation);

    const again = await send(HOME, rawToken, rotation);
    const thiefs = await send(ELSEWHERE, rawToken, rotation);

    expect(first.status).toBe(201);
    expect([again.status, again.body.rawToken]).toEqual([201, first.body.rawToken]);
    expect([thiefs.status, thiefs.body.rawToken]).toEqual([401, undefined]);
  });
});

describe.each(ADAPTERS)('API tokens that are limited to addresses, behind a proxy, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({ adapter, databaseUrl: test.databaseUrl, trustProxy: 'loopback' });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  it.each([
    ['192.0.2.7', 200],
    ['::ffff:192.0.2.7', 200],
    ['192.0.2.7, 198.51.100.1', 401],
    ['198.51.100.1', 401],
    ['192.0.2.7:4711', 401],
    ['unknown', 401],
    ['', 401],
  ])('go by the address that the framework reads of X-Forwarded-For: %j', async (forwarded, status) => {
    const { rawToken } = await test.tokens.create(test.user, {
      name: 'CI',
      scopes: ['*'],
      allowedIps: ['192.0.2.0/24'],
    });

    const answer = await sendFrom('127.0.0.1', host.url, {
      path: '/api/tokens',
      headers: { authorization: `Bearer ${rawToken}`, 'x-forwarded-for': forwarded },
    });

    expect(answer.status).toBe(status);
  });
});
