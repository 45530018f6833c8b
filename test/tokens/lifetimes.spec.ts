import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

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
