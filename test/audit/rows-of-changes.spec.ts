import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Caller, IssuedApiToken } from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const ORIGIN = { ipAddress: '2001:db8::1', userAgent: 'curl/8.5.0' };

describe('the audit row of a change', () => {
  let test: TestApp;
  let user: User;
  let issued: IssuedApiToken;
  const inPerson = (): Caller => ({
    principal: { user, userId: user.id, method: 'session', scopes: ['*'] },
    ...ORIGIN,
  });
  const lastRow = async (targetId: string) => (await auditRows(test.dataSource, targetId)).at(-1);

  beforeAll(async () => {
    test = await startTestApp();
  });
  beforeEach(async () => {
    user = await test.addUser('ada@example.com');
    issued = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] }, inPerson());
    test.clock.advance({ seconds: 1 });
  });
  afterAll(() => test.close());

  it('records the actor, the token, its owner, its settings and the address of a creation', async () => {
    const expiresAt = new Date('2999-01-01T00:00:00Z');
    const request = { name: 'Deploy', scopes: ['read:notes', 'admin'], expiresAt };

    const { token } = await test.tokens.create(user, request, inPerson());

    expect(await auditRows(test.dataSource, token.id)).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        action: 'api.token_create',
        outcome: 'success',
        actor_id: user.id,
        actor_type: 'user',
        target_id: token.id,
        target_type: 'api_token',
        metadata: {
          method: 'session',
          userId: user.id,
          name: 'Deploy',
          scopes: ['read:notes', 'admin'],
          allowedIps: null,
          resources: null,
          expiresAt: '2999-01-01T00:00:00.000Z',
        },
        ip_address: '2001:db8::1',
        user_agent: 'curl/8.5.0',
        occurred_at: test.clock.now(),
      },
    ]);
  });

  it('records the token that the actor used', async () => {
    const context: Caller = {
      principal: { user, userId: user.id, method: 'api_token', scopes: ['*'], tokenId: issued.token.id },
    };

    const { token } = await test.tokens.create(user, { name: 'Deploy', scopes: ['admin'] }, context);

    expect(await lastRow(token.id)).toMatchObject({
      actor_id: user.id,
      metadata: { method: 'api_token', viaTokenId: issued.token.id },
      ip_address: null,
      user_agent: null,
    });
  });

  it('records the system as actor when the host itself acts', async () => {
    const { token } = await test.tokens.create(user, { name: 'Deploy', scopes: ['admin'] });

    expect(await lastRow(token.id)).toMatchObject({ actor_id: null, actor_type: 'system', ip_address: null });
  });

  it('records actor and owner separately', async () => {
    const admin = await test.addUser('admin@example.com');
    const context: Caller = { principal: { user: admin, userId: admin.id, method: 'session', scopes: ['*'] } };

    await test.tokens.revoke(issued.token.id, context);

    expect(await lastRow(issued.token.id)).toMatchObject({
      action: 'api.token_revoke',
      actor_id: admin.id,
      metadata: { method: 'session', userId: user.id, name: 'CI' },
    });
  });

  it('records a change once, although an earlier token in its grace period loses the same', async () => {
    const { token } = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes', 'write:notes'] });
    const successor = await test.tokens.rotate(token.id, { graceSeconds: 60 });

    await test.tokens.update(successor.token.id, { scopes: ['read:notes'] });

    const [row] = await test.dataSource.query<object[]>('SELECT scopes FROM sigra_api_tokens WHERE id = $1', [
      token.id,
    ]);
    expect(row).toEqual({ scopes: ['read:notes'] });
    expect((await lastRow(successor.token.id))?.action).toBe('api.token_update');
    expect((await lastRow(token.id))?.action).toBe('api.token_rotate');
  });

  it('records a rotation with its successor and its grace', async () => {
    const { token } = await test.tokens.rotateForUser(user, issued.token.id, { graceSeconds: 60 }, inPerson());

    expect(await lastRow(issued.token.id)).toMatchObject({
      action: 'api.token_rotate',
      outcome: 'success',
      actor_id: user.id,
      actor_type: 'user',
      target_type: 'api_token',
      metadata: {
        method: 'session',
        userId: user.id,
        name: 'CI',
        replacedBy: token.id,
        originId: issued.token.id,
        graceSeconds: 60,
      },
      ip_address: '2001:db8::1',
      user_agent: 'curl/8.5.0',
      occurred_at: test.clock.now(),
    });
    expect(await auditRows(test.dataSource, token.id)).toEqual([]);
  });

  it('records the user and the number of tokens of a revocation of all tokens', async () => {
    await test.tokens.create(user, { name: 'Deploy', scopes: ['admin'] });

    await test.tokens.revokeAll(user, inPerson());

    expect(await auditRows(test.dataSource, user.id)).toMatchObject([
      {
        action: 'api.token_revoke_all',
        actor_id: user.id,
        target_type: 'user',
        metadata: { method: 'session', count: 2 },
        ip_address: '2001:db8::1',
        occurred_at: test.clock.now(),
      },
    ]);
  });

  it('contains neither raw tokens nor hashes, nor any string that is long enough to be one', async () => {
    const rotated = await test.tokens.rotate(issued.token.id, {}, inPerson());
    await test.tokens.revoke(rotated.token.id, inPerson());

    const [{ dump, hashes }] = await test.dataSource.query(
      `SELECT (SELECT string_agg(e::text, E'\\n') FROM sigra_audit_events e) AS dump,
              (SELECT array_agg(encode(token_hash, 'hex')) FROM sigra_api_tokens) AS hashes`,
    );

    expect(dump).toContain('api.token_rotate');
    for (const secret of [issued.rawToken, rotated.rawToken, ...hashes]) expect(dump).not.toContain(secret);
    expect(dump).not.toMatch(/[0-9A-Za-z]{37,}/);
  });

  it('truncates an overlong address or user agent', async () => {
    const context = { ipAddress: 'y'.repeat(5000), userAgent: 'x'.repeat(5000) };

    const { token } = await test.tokens.create(user, { name: 'Deploy', scopes: ['admin'] }, context);

    expect(await lastRow(token.id)).toMatchObject({ ip_address: 'y'.repeat(64), user_agent: 'x'.repeat(1024) });
  });

  it.each([
    ['the address', { ipAddress: '10.0.0.1\0' }, 'ip_address', '10.0.0.1'],
    ['the user agent', { userAgent: 'a\0b\ud800' }, 'user_agent', 'ab'],
  ] as const)(
    'does not fail because of characters in %s that cannot be stored',
    async (_part, context, column, kept) => {
      const { token } = await test.tokens.create(user, { name: 'Deploy', scopes: ['admin'] }, context);

      expect((await lastRow(token.id))?.[column]?.replaceAll('\ufffd', '')).toBe(kept);
    },
  );
});
