import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { type IssuedApiToken, tokenPattern } from 'nestjs-sigra';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { checksumOf, unknownToken } from '../support/unknown-token.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('ApiTokenService.verify', () => {
  let test: TestApp;
  let queries: QueryLog;

  beforeAll(async () => {
    test = await startTestApp();
    queries = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());
  afterEach(() => queries.clear());

  it('resolves to the token, with one query', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    queries.clear();

    const verified = await test.tokens.verify(rawToken);

    expect(verified).toEqual(token);
    expect(queries.queries).toHaveLength(1);
  });

  it('answers many verifications of one turn with two queries', async () => {
    const issued = await Promise.all(Array.from({ length: 50 }, () => test.tokens.create(test.user, REQUEST)));
    queries.clear();

    const verified = await Promise.all(issued.map(({ rawToken }) => test.tokens.verify(rawToken)));

    expect(verified.map(({ id }) => id)).toEqual(issued.map(({ token }) => token.id));
    expect(queries.queries).toHaveLength(2);
  });

  it('distinguishes valid and invalid tokens of one turn', async () => {
    const [good, revoked, expired] = await Promise.all([
      test.tokens.create(test.user, REQUEST),
      test.tokens.create(test.user, REQUEST),
      test.tokens.create(test.user, { ...REQUEST, expiresAt: new Date(test.clock.now().getTime() + 1000) }),
    ]);
    await test.tokens.revoke(revoked.token.id);
    test.clock.advance({ seconds: 1 });

    const outcomes = await Promise.all([
      test.tokens.verify(good.rawToken).then(({ id }) => id),
      refusalOf(test.tokens.verify(revoked.rawToken)),
      refusalOf(test.tokens.verify(expired.rawToken)),
      refusalOf(test.tokens.verify(unknownToken())),
    ]);

    expect(outcomes).toEqual([good.token.id, 'token_revoked', 'token_expired', 'invalid_token']);
  });

  it('rejects a token at the instant of its expiry, and not a millisecond before', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);
    const { rawToken } = await test.tokens.create(test.user, { ...REQUEST, expiresAt });

    test.clock.set(new Date(expiresAt.getTime() - 1));
    const before = await test.tokens.verify(rawToken);
    test.clock.set(expiresAt);

    expect(before.expiresAt).toEqual(expiresAt);
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_expired');
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_expired');
  });

  it('rejects a token whose expiry is not a valid date in JavaScript', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    await test.dataSource.query(`UPDATE sigra_api_tokens SET expires_at = '-infinity' WHERE id = $1`, [token.id]);

    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_expired');
  });

  it('rejects a revoked and expired token with token_revoked', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);
    const { rawToken, token } = await test.tokens.create(test.user, { ...REQUEST, expiresAt });
    await test.tokens.revoke(token.id);

    const before = await refusalOf(test.tokens.verify(rawToken));
    test.clock.advance({ hours: 1 });

    expect([before, await refusalOf(test.tokens.verify(rawToken))]).toEqual(['token_revoked', 'token_revoked']);
  });

  it('rejects an unknown well-formed token after one query', async () => {
    const refusal = await refusalOf(test.tokens.verify(unknownToken()));

    expect(refusal).toBe('invalid_token');
    expect(queries.queries).toHaveLength(1);
  });

  it('rejects every change of one character without a query', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    queries.clear();
    const mutants = Array.from(rawToken).flatMap((character, place) =>
      Array.from(`${ALPHABET}_- é\0`)
        .filter((other) => other !== character)
        .map((other) => rawToken.slice(0, place) + other + rawToken.slice(place + 1)),
    );

    const refusals = await Promise.all(mutants.map((mutant) => refusalOf(test.tokens.verify(mutant))));

    expect(mutants.length).toBeGreaterThan(3500);
    expect(new Set(refusals)).toEqual(new Set(['invalid_token']));
    expect(queries.queries).toEqual([]);
  });

  it('rejects malformed tokens without a query', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    queries.clear();
    const guesses: unknown[] = [
      '',
      'sigra_sk_',
      rawToken.slice(0, -1),
      rawToken.slice(1),
      `${rawToken}0`,
      ` ${rawToken}`,
      `${rawToken}\n`,
      rawToken.toUpperCase(),
      rawToken.replace('sigra_sk_', 'other_sk_'),
      [rawToken],
      { length: rawToken.length },
      undefined,
      null,
      42,
      randomBytes(1_000_000).toString('latin1'),
    ];

    const refusals = await Promise.all(guesses.map((guess) => refusalOf(test.tokens.verify(guess as string))));

    expect(new Set(refusals)).toEqual(new Set(['invalid_token']));
    expect(queries.queries).toEqual([]);
  });

  it('rejects a swap of two adjacent characters, the most common typo, without a query', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    queries.clear();
    const swaps = Array.from(rawToken.slice(1), (_, place) => {
      const [left, right] = [rawToken.charAt(place), rawToken.charAt(place + 1)];
      return rawToken.slice(0, place) + right + left + rawToken.slice(place + 2);
    }).filter((swapped) => swapped !== rawToken);

    const refusals = await Promise.all(swaps.map((swapped) => refusalOf(test.tokens.verify(swapped))));

    expect(new Set(refusals)).toEqual(new Set(['invalid_token']));
    expect(queries.queries).toEqual([]);
  });

  it('reveals no raw token in its errors', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);

    const error: unknown = await test.tokens.verify(rawToken).catch((reason: unknown) => reason);

    const { message, stack, cause } = error as Error;
    expect(`${message} ${String(stack)} ${String(cause)} ${JSON.stringify(error)}`).not.toContain(rawToken.slice(-20));
  });
});

describe('a prefix of the application', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { prefix: 'acme_', scopes: ['read:notes'] } } });
  });
  afterAll(() => test.close());

  it('begins every token, is part of its checksum, and is required in every token', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    const secret = rawToken.slice('acme_'.length, -6);
    const elsewhere = `sigra_sk_${secret}`;

    const verified = await test.tokens.verify(rawToken);

    expect(rawToken).toBe(`acme_${secret}${checksumOf(`acme_${secret}`)}`);
    expect(verified).toEqual(token);
    expect(await refusalOf(test.tokens.verify(elsewhere + checksumOf(elsewhere)))).toBe('invalid_token');
  });
});

describe('earlier prefixes of the application', () => {
  let test: TestApp;
  let old: IssuedApiToken;

  beforeAll(async () => {
    const before = await startTestApp({ sigra: { apiTokens: { prefix: 'acme_', scopes: ['read:notes'] } } });
    old = await before.tokens.create(before.user, REQUEST);
    await before.app.close();
    const apiTokens = { prefix: 'sk_live_', acceptPrefixes: ['acme_'], scopes: ['read:notes'] };
    test = await startTestApp({ databaseUrl: before.databaseUrl, sigra: { apiTokens } });
  });
  afterAll(() => test.close());

  it('are accepted in services and over HTTP, and are found by tokenPattern()', async () => {
    const bearer = { headers: { authorization: `Bearer ${old.rawToken}` } };

    expect(await test.tokens.verify(old.rawToken)).toEqual(old.token);
    expect((await fetch(`${test.url}/api/scopes`, bearer)).status).toBe(200);
    expect(tokenPattern('sk_live_', 'acme_').exec(`token=${old.rawToken}&`)?.[0]).toBe(old.rawToken);
    expect(tokenPattern('sk_live_').test(old.rawToken)).toBe(false);
  });

  it('are not those of new tokens, also by rotation', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    const successor = await test.tokens.rotate(old.token.id);

    expect(rawToken).toMatch(/^sk_live_/);
    expect(token.prefix).toBe('sk_live_');
    expect(successor.rawToken).toMatch(/^sk_live_/);
    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_revoked');
  });

  it('do not mix: a secret with another accepted prefix is malformed', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);

    expect(await refusalOf(test.tokens.verify(rawToken.replace('sk_live_', 'acme_')))).toBe('invalid_token');
  });
});
