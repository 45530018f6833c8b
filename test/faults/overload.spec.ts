import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, type SigraError } from 'nestjs-sigra';
import { unknownToken } from '../hostile/support/unknown-token.js';
import { ADAPTERS } from '../support/test-app.js';
import { type FaultyApp, startFaultyApp } from './support/faulty-app.js';

/** Distinct tokens that may wait for the database, and those of which two queries can be under way. */
const QUEUE = 20_000;
const IN_FLIGHT = 2 * 512;

describe.each(ADAPTERS)('When more wait for the database than memory should hold, on %s', (adapter) => {
  let test: FaultyApp;

  beforeAll(async () => {
    // Nobody is answered for being late in this test: what is refused is refused for the queue.
    test = await startFaultyApp(adapter, { sigra: { lookupTimeout: 60_000 } });
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  it('the rest is turned away at once, and those who wait are served when it is over', async () => {
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
    // Now the queries of which two can be under way have taken theirs, and there is room for as many again.
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
