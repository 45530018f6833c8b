import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, type SigraError } from 'nestjs-sigra';
import { unknownToken } from '../support/unknown-token.js';
import { ADAPTERS } from '../support/test-app.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

/** Distinct tokens that can wait for the database, and tokens in the two queries that can be in flight. */
const QUEUE = 20_000;
const IN_FLIGHT = 2 * 512;

describe.each(ADAPTERS)('With more waiting tokens than the queue holds, on %s', (adapter) => {
  let test: FaultyApp;

  beforeAll(async () => {
    // No request times out in this test, so every refusal is due to the full queue.
    test = await startFaultyApp(adapter, { sigra: { lookupTimeout: 60_000 } });
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  it('the excess is refused at once, and the waiting tokens are verified after recovery', async () => {
    const tokens = test.host.app.get(ApiTokenService);
    const { rawToken } = await test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['read:notes'] });
    const codeOf = (raw: string) =>
      tokens.verify(raw).then(
        () => 'verified',
        (error: unknown) => (error as SigraError).code,
      );
    test.proxy.silence();

    const first = codeOf(rawToken);
    const waiting = Array.from({ length: QUEUE - 1 }, () => codeOf(unknownToken()));
    // The two queries in flight have now taken their tokens, which leaves room for as many again.
    await new Promise((resolve) => setImmediate(resolve));
    waiting.push(...Array.from({ length: IN_FLIGHT }, () => codeOf(unknownToken())));
    const turnedAway = await Promise.all(Array.from({ length: 100 }, () => codeOf(unknownToken())));
    const response = await fetch(`${test.host.url}/api/scopes`, {
      headers: { authorization: `Bearer ${unknownToken()}` },
    });
    test.proxy.speak();

    expect(new Set(turnedAway)).toEqual(new Set(['unavailable']));
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await first).toBe('verified');
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['invalid_token']));
    expect(await codeOf(rawToken)).toBe('verified');
  }, 120_000);
});
