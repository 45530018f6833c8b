import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService, type IssuedApiToken } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('while the database is unreachable', () => {
  let test: TestApp;
  let issued: IssuedApiToken;

  beforeAll(async () => {
    test = await startTestApp();
    issued = await test.tokens.create(test.user, REQUEST);
    await test.dataSource.destroy();
  });
  afterAll(async () => {
    await test.dataSource.initialize();
    await test.close();
  });

  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    create: () => test.tokens.create(test.user, REQUEST),
    verify: () => test.tokens.verify(issued.rawToken),
    revoke: () => test.tokens.revoke(issued.token.id),
    revokeForUser: () => test.tokens.revokeForUser(test.user, issued.token.id),
    revokeAll: () => test.tokens.revokeAll(test.user),
    rotate: () => test.tokens.rotate(issued.token.id),
    rotateForUser: () => test.tokens.rotateForUser(test.user, issued.token.id),
    listActive: () => test.tokens.listActive(test.user),
    'AuditService.query': () => test.get(AuditService).query(),
    'AuditService.stream': () => test.get(AuditService).stream().next(),
  };

  it.each(Object.entries(calls))(
    '%s rejects with unavailable, not with an error of the driver',
    async (_name, call) => {
      expect(await refusalOf(call())).toBe('unavailable');
    },
  );

  it('invalid input is still rejected with its own code', async () => {
    expect(await refusalOf(test.tokens.verify('malformed'))).toBe('invalid_token');
    expect(await refusalOf(test.tokens.create(test.user, { ...REQUEST, name: '' }))).toBe('name_required');
    expect(await refusalOf(test.tokens.revoke('x'))).toBe('not_found');
    expect(await refusalOf(test.tokens.listActive(test.user, { cursor: 'x' }))).toBe('invalid_cursor');
  });

  it('calls that need no database work', () => {
    expect(test.tokens.listScopes()).toContain('read:notes');
    expect(test.tokens.can(issued.token, ['read:notes'])).toBe(true);
  });
});

describe('when the database is reachable again', () => {
  it('everything is unchanged', async () => {
    const test = await startTestApp();
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    await test.dataSource.destroy();
    const meanwhile = await refusalOf(test.tokens.verify(rawToken));
    await test.dataSource.initialize();
    const verified = await test.tokens.verify(rawToken);
    await test.close();

    expect(meanwhile).toBe('unavailable');
    expect(verified).toEqual(token);
  });
});
