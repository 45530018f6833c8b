import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Principal, SigraError } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

describe('a caller that acts through a principal', () => {
  let test: TestApp;
  const holding = (...scopes: string[]): { principal: Principal } => ({
    principal: { user: test.user, userId: test.user.id, method: 'host', scopes },
  });

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it.each([
    [['read:notes'], ['read:notes', 'admin']],
    [['read:*'], ['read:notes']],
    [['*'], ['*', 'read:*', 'admin']],
  ])('creates a token with %j when it holds %j', async (wanted, held) => {
    const { token } = await test.tokens.create(test.user, { name: 'CI', scopes: wanted }, holding(...held, ...wanted));

    expect(token.scopes).toEqual(wanted);
  });

  it.each([
    [['admin'], ['read:notes']],
    [['read:notes', 'admin'], ['read:notes']],
    [['read:*'], ['read:notes']],
    [['*'], ['read:*', 'write:*', 'admin']],
    [['read:notes'], ['write:notes']],
    [['read:notes'], []],
  ])('cannot create a token with %j when it holds %j', async (wanted, held) => {
    const creation = test.tokens.create(test.user, { name: 'CI', scopes: wanted }, holding(...held));

    expect(await refusalOf(creation)).toBe('insufficient_scope');
  });

  it('gets the required and the missing scopes', async () => {
    const creation = test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes', 'admin'] }, holding('admin'));

    await expect(creation).rejects.toMatchObject({
      constructor: SigraError,
      refusal: { required: ['read:notes', 'admin'], missing: ['read:notes'] },
    });
  });

  it('cannot rotate a token with more scopes than its own, and the token stays valid', async () => {
    const { token, rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes', 'admin'] });

    const refusal = await refusalOf(test.tokens.rotate(token.id, {}, holding('admin')));
    const verified = await test.tokens.verify(rawToken);

    expect(refusal).toBe('insufficient_scope');
    expect(verified).toMatchObject({ id: token.id, replacedBy: null, revokedAt: null });
  });

  it('gets not_found, without scopes, for a token of another user', async () => {
    const grace = await test.addUser('grace@example.com');
    const { token } = await test.tokens.create(grace, { name: 'CI', scopes: ['admin'] });

    const rotation = test.tokens.rotateForUser(test.user, token.id, {}, holding('read:notes'));

    expect(await refusalOf(rotation)).toBe('not_found');
  });

  it('revokes only tokens whose scopes it holds', async () => {
    const { token, rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin'] });
    const revoke = (...scopes: string[]) => test.tokens.revokeForUser(test.user, token.id, holding(...scopes));

    const refusal = await refusalOf(revoke('api_tokens:write', 'read:notes'));
    const verified = await test.tokens.verify(rawToken);
    const revoked = await revoke('api_tokens:write', 'admin');

    expect(refusal).toBe('insufficient_scope');
    expect(verified).toMatchObject({ id: token.id, revokedAt: null });
    expect(revoked.revokedAt).toEqual(test.clock.now());
  });

  it('revokes all tokens of a user only when it holds all their scopes', async () => {
    const ida = await test.addUser('ida@example.com');
    await test.tokens.create(ida, { name: 'CI', scopes: ['read:notes'] });
    const { rawToken } = await test.tokens.create(ida, { name: 'root', scopes: ['*'] });

    const refusal = await refusalOf(test.tokens.revokeAll(ida, holding('api_tokens:write', 'read:notes')));
    const verified = await test.tokens.verify(rawToken);
    const count = await test.tokens.revokeAll(ida, holding('*'));

    expect(refusal).toBe('insufficient_scope');
    expect(verified).toMatchObject({ name: 'root' });
    expect(count).toBe(2);
  });
});

describe('writeImpliesRead', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, writeImpliesRead: true } } });
  });
  afterAll(() => test.close());

  it('lets a holder of write grant read, and never the reverse', async () => {
    const principal: Principal = {
      user: test.user,
      userId: test.user.id,
      method: 'host',
      scopes: ['write:notes', 'profile:read'],
    };
    const create = (scope: string) => test.tokens.create(test.user, { name: 'CI', scopes: [scope] }, { principal });

    const { token } = await create('read:notes');

    expect(token.scopes).toEqual(['read:notes']);
    expect(await refusalOf(create('profile:write'))).toBe('insufficient_scope');
  });

  it('applies to ApiTokenService.can', () => {
    expect(test.tokens.can({ scopes: ['write:notes'] }, ['read:notes'])).toBe(true);
    expect(test.tokens.can({ scopes: ['read:notes'] }, ['write:notes'])).toBe(false);
    expect(test.tokens.can({ scopes: ['read:notes'] }, ['write:notes', 'read:notes'], { match: 'any' })).toBe(true);
  });
});

describe('listScopes and can, by default', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('lists the built-in scopes and then the configured ones', () => {
    expect(test.tokens.listScopes()).toEqual([
      'profile:read',
      'profile:write',
      'sessions:read',
      'sessions:write',
      'api_tokens:read',
      'api_tokens:write',
      'read:notes',
      'write:notes',
      'admin',
    ]);
    expect(() => (test.tokens.listScopes() as string[]).push('root')).toThrow(TypeError);
  });

  it('grants read only to holders of read', async () => {
    const { token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['write:notes'] });

    expect(test.tokens.can(token, ['write:notes'])).toBe(true);
    expect(test.tokens.can(token, ['read:notes'])).toBe(false);
  });
});
