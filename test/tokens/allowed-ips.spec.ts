import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CreateApiToken, type Principal } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { auditRows } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const OFFICE = ['192.0.2.0/24', '2001:db8::/32'];

describe('The addresses of API tokens', () => {
  let test: TestApp;
  const create = (request: Partial<CreateApiToken> = {}) =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['*'], allowedIps: OFFICE, ...request });
  const inPerson = (): { principal: Principal } => ({
    principal: { user: test.user, userId: test.user.id, method: 'session', scopes: ['*'] },
  });

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it.each([
    ['192.0.2.255', 'accepted'],
    ['::ffff:192.0.2.255', 'accepted'],
    ['2001:DB8:0::1', 'accepted'],
    ['192.0.3.0', 'invalid_token'],
    ['2001:db9::', 'invalid_token'],
    ['192.0.2.0/24', 'invalid_token'],
    [undefined, 'invalid_token'],
  ])('decide about a caller at %s: %s', async (ipAddress, expected) => {
    const { rawToken } = await create();

    const verifying = test.tokens.verify(rawToken, { ipAddress });

    expect(expected === 'accepted' ? await verifying.then(() => expected) : await refusalOf(verifying)).toBe(expected);
  });

  it('do not matter for a token without them', async () => {
    const { rawToken, token } = await create({ allowedIps: undefined });

    expect(token.allowedIps).toBeNull();
    expect(await test.tokens.verify(rawToken)).toMatchObject({ id: token.id });
  });

  it('are in the audit rows of creation and change', async () => {
    const { token } = await create();

    await test.tokens.update(token.id, { allowedIps: ['192.0.2.7/32'] }, inPerson());
    await test.tokens.update(token.id, { allowedIps: ['192.0.2.7'] }, inPerson());

    expect(await auditRows(test.dataSource, token.id)).toMatchObject([
      { action: 'api.token_create', metadata: { allowedIps: OFFICE } },
      {
        action: 'api.token_update',
        metadata: { before: { allowedIps: OFFICE }, after: { allowedIps: ['192.0.2.7'] } },
      },
    ]);
  });

  it.each([[null], [['192.0.0.0/16']], [['192.0.2.1', '198.51.100.1']], [['::/0']]])(
    'are not widened to %j through a principal',
    async (allowedIps) => {
      const { rawToken, token } = await create();

      expect(await refusalOf(test.tokens.update(token.id, { allowedIps }, inPerson()))).toBe('invalid_allowed_ips');
      expect(await test.tokens.lookup(rawToken)).toMatchObject({ token });
    },
  );

  it('are set through a principal on a token that has none', async () => {
    const { token } = await create({ allowedIps: null });

    expect(await test.tokens.update(token.id, { allowedIps: OFFICE }, inPerson())).toMatchObject({
      allowedIps: OFFICE,
    });
  });

  it('are widened and removed by the application', async () => {
    const { token } = await create();

    expect(await test.tokens.update(token.id, { allowedIps: ['::/0'] })).toMatchObject({ allowedIps: ['::/0'] });
    expect(await test.tokens.update(token.id, { allowedIps: null })).toMatchObject({ allowedIps: null });
  });

  it('repeat a request only with the same addresses', async () => {
    const idempotencyKey = 'a-key-with-addresses';
    const first = await create({ idempotencyKey });

    const again = await create({ idempotencyKey, allowedIps: [...OFFICE, '2001:DB8::/32'] });
    const other = create({ idempotencyKey, allowedIps: null });

    expect(again.rawToken).toBe(first.rawToken);
    expect(await refusalOf(other)).toBe('idempotency_key_reused');
  });

  it('are stored in one form where clients are recorded', async () => {
    const { rawToken, token } = await create({ allowedIps: null });
    const caller = { ipAddress: '::ffff:192.0.2.7' };

    await test.tokens.verify(rawToken, { ipAddress: 'fe80::1%eth0' });
    await test.tokens.update(token.id, { name: 'Deploy' }, caller);
    await flushBackgroundWrites(test.app);

    expect(await test.tokens.lookup(rawToken)).toMatchObject({ token: { lastUsedIp: 'fe80::1' } });
    expect((await auditRows(test.dataSource, token.id)).at(-1)).toMatchObject({ ip_address: '192.0.2.7' });
  });
});
