import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

describe('After a fail-over that leaves the old connections hanging', () => {
  let test: FaultyApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startFaultyApp('fastify');
    const { rawToken } = await test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['*'] });
    headers = { authorization: `Bearer ${rawToken}` };
  });
  afterAll(() => test.close());

  const list = async () => (await fetch(`${test.host.url}/api/tokens`, { headers })).status;

  it('requests succeed over new connections once the old ones time out', async () => {
    const before = await Promise.all(Array.from({ length: 20 }, list));

    test.proxy.strand();
    const statuses: number[] = [];
    do statuses.push(...(await Promise.all(Array.from({ length: 20 }, list))));
    while (statuses.at(-1) !== 200);
    const after = await Promise.all(Array.from({ length: 20 }, list));

    expect(new Set(before)).toEqual(new Set([200]));
    expect(statuses).toContain(503);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(new Set(after)).toEqual(new Set([200]));
  });
});
