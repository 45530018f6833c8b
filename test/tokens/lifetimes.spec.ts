import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const scopes = ['read:notes'];
const after = (test: TestApp, seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);

describe('requireExpiry', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { scopes, requireExpiry: true } } });
  });
  afterAll(() => test.close());

  it.each([undefined, null])('rejects with expiry_required when expiresAt is %p', async (expiresAt) => {
    expect(await refusalOf(test.tokens.create(test.user, { ...REQUEST, expiresAt }))).toBe('expiry_required');
  });

  it('accepts a token with any future expiry', async () => {
    const expiresAt = after(test, 10 * 365 * 86_400);

    const { token } = await test.tokens.create(test.user, { ...REQUEST, expiresAt });

    expect(token.expiresAt).toEqual(expiresAt);
  });
});

describe('maxTtl', () => {
  let test: TestApp;
  const create = (expiresAt?: Date | null) => test.tokens.create(test.user, { ...REQUEST, expiresAt });

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { scopes, maxTtl: 3600 } } });
  });
  afterAll(() => test.close());

  it('accepts an expiry exactly at the limit, and rejects one a millisecond later', async () => {
    const { token } = await create(after(test, 3600));

    expect(token.expiresAt).toEqual(after(test, 3600));
    expect(await refusalOf(create(after(test, 3600.001)))).toBe('ttl_exceeded');
  });

  it.each([undefined, null])(
    'rejects with ttl_exceeded when expiresAt is %p, because the token would never expire',
    async (none) => {
      expect(await refusalOf(create(none))).toBe('ttl_exceeded');
    },
  );

  it('rejects an invalid date with its own code', async () => {
    expect(await refusalOf(create(test.clock.now()))).toBe('expiry_in_past');
    expect(await refusalOf(create(new Date(Number.NaN)))).toBe('invalid_expiry');
  });
});

describe('defaultTtl', () => {
  let test: TestApp;
  const create = (expiresAt?: Date | null) => test.tokens.create(test.user, { ...REQUEST, expiresAt });

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { scopes, defaultTtl: 3600 } } });
  });
  afterAll(() => test.close());

  it('is the lifetime of a token without expiresAt, and only of that', async () => {
    expect((await create()).token.expiresAt).toEqual(after(test, 3600));
    expect((await create(after(test, 7200))).token.expiresAt).toEqual(after(test, 7200));
    expect((await create(null)).token.expiresAt).toBeNull();
  });

  it('is the lifetime of a token that HTTP creates without expiresAt', async () => {
    const page = TokenClient.inSession(test);

    const { body: limited } = await page.create(REQUEST);
    const { body: unlimited } = await page.create({ ...REQUEST, expiresAt: null });

    expect(limited.token.expiresAt).toBe(after(test, 3600).toISOString());
    expect(unlimited.token.expiresAt).toBeNull();
  });

  it('ends with the credential that makes the token, if that ends earlier', async () => {
    const maker = { name: 'maker', scopes: ['read:notes', 'api_tokens:write'], expiresAt: after(test, 60) };
    const { rawToken } = await test.tokens.create(test.user, maker);

    const { body } = await TokenClient.withToken(test, rawToken).create(REQUEST);

    expect(body.token.expiresAt).toBe(after(test, 60).toISOString());
  });

  it('is not that of a successor, which has the lifetime of the old token', async () => {
    const old = await create(after(test, 7200));

    expect((await test.tokens.rotate(old.token.id)).token.expiresAt).toEqual(after(test, 7200));
  });

  it('satisfies requireExpiry and maxTtl, and fails at boot beyond maxTtl', async () => {
    const rules = { scopes, requireExpiry: true, maxTtl: 3600 };
    const strict = await startTestApp({ sigra: { apiTokens: { ...rules, defaultTtl: 3600 } } });
    const { token } = await strict.tokens.create(strict.user, REQUEST);
    const unlimited = await refusalOf(strict.tokens.create(strict.user, { ...REQUEST, expiresAt: null }));
    await strict.close();

    expect(token.expiresAt).toEqual(after(strict, 3600));
    expect(unlimited).toBe('expiry_required');
    await expect(startTestApp({ sigra: { apiTokens: { ...rules, defaultTtl: 3601 } } })).rejects.toThrow(
      'sigra: apiTokens.defaultTtl is longer than maxTtl, which is 3600; use at most as much',
    );
  });
});
