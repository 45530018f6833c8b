import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenEntity } from 'nestjs-sigra';
import { createApiToken, expiredApiToken, revokedApiToken, scopedApiToken } from 'nestjs-sigra/testing';
import { SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

describe('overrides of a token', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('goes before the defaults', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);

    const { token } = await createApiToken(test.app, test.user.id, { name: 'CI', scopes: ['admin'], expiresAt });

    expect(token).toMatchObject({ name: 'CI', scopes: ['admin'], expiresAt, ownerId: test.user.id });
  });

  it('keeps the defaults for undefined overrides', async () => {
    const { token } = await createApiToken(test.app, test.user, { name: undefined, scopes: undefined });

    expect(token).toMatchObject({ name: 'test', scopes: ['*'] });
  });

  it('is subject to the rules of the application', async () => {
    const misspelt = scopedApiToken(test.app, test.user, ['read:nots']);
    const past = createApiToken(test.app, test.user, { expiresAt: new Date(0) });

    await expect(misspelt).rejects.toMatchObject({ code: 'unregistered_scopes' });
    await expect(past).rejects.toMatchObject({ code: 'expiry_in_past' });
  });

  it('names a scoped token without changing its scopes', async () => {
    const { token } = await scopedApiToken(test.app, test.user, ['admin'], { name: 'root' });

    expect(token).toMatchObject({ name: 'root', scopes: ['admin'] });
  });

  it('stores the overrides of an expired token in the database', async () => {
    const { token } = await expiredApiToken(test.app, test.user, { name: 'old', scopes: ['admin'] });

    const row = await test.dataSource.getRepository(ApiTokenEntity).findOneByOrFail({ id: token.id });
    expect(row).toMatchObject({
      name: 'old',
      scopes: ['admin'],
      expiresAt: token.expiresAt,
      createdAt: token.createdAt,
    });
    expect(row.expiresAt).toEqual(new Date(test.clock.now().getTime() - 1000));
    expect(row.createdAt.getTime()).toBeLessThan(row.expiresAt!.getTime());
  });

  it('sets when an expired token expired, and rejects a future date', async () => {
    const expiresAt = new Date('2001-02-03T04:05:06.789Z');
    const future = new Date(test.clock.now().getTime() + 1);

    const { token } = await expiredApiToken(test.app, test.user, { expiresAt });

    expect(token.expiresAt).toEqual(expiresAt);
    await expect(expiredApiToken(test.app, test.user, { expiresAt: future })).rejects.toThrow(RangeError);
    await expect(expiredApiToken(test.app, test.user, { expiresAt: new Date(NaN) })).rejects.toThrow(RangeError);
  });

  it('returns when a revoked token was revoked', async () => {
    const { token } = await revokedApiToken(test.app, test.user, { name: 'gone' });

    expect(token).toMatchObject({ name: 'gone', revokedAt: test.clock.now() });
  });
});

describe.each([
  { rule: 'requireExpiry', apiTokens: { requireExpiry: true } },
  { rule: 'maxTtl', apiTokens: { maxTtl: 600 } },
])('tokens under $rule', ({ apiTokens }) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, ...apiTokens } } });
  });
  afterAll(() => test.close());

  it('expire after five minutes, and expired ones in the past', async () => {
    const { token } = await createApiToken(test.app, test.user);
    const { rawToken } = await expiredApiToken(test.app, test.user);

    expect(token.expiresAt).toEqual(new Date(test.clock.now().getTime() + 300_000));
    await expect(test.tokens.verify(rawToken)).rejects.toMatchObject({ code: 'token_expired' });
  });

  it('are rejected if they must never expire', async () => {
    const eternal = createApiToken(test.app, test.user, { expiresAt: null });

    await expect(eternal).rejects.toMatchObject({ code: expect.stringMatching(/expiry_required|ttl_exceeded/) });
  });
});
