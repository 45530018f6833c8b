import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DatabaseProxy } from '../support/database-proxy.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { ServerNode } from '../support/server-node.js';

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

  it('connections that end as soon as they are ready do not end the process', async () => {
    const { databaseUrl, user } = test.sound;
    const proxy = await DatabaseProxy.start(databaseUrl);
    const node = await ServerNode.start({ adapter: 'fastify', databaseUrl: proxy.url, lookupTimeout: 1000 });
    const me = async () => (await fetch(`${node.url}/me`, { headers: { 'x-session-user': user.id } })).status;

    await proxy.cut();
    proxy.failNewConnections();
    await proxy.mend();
    const during = await Promise.all(Array.from({ length: 20 }, me));
    proxy.speak();
    const after = await Promise.all(Array.from({ length: 20 }, me));
    await node.stop();
    await proxy.stop();

    expect(new Set(during)).toEqual(new Set([503]));
    expect(new Set(after)).toEqual(new Set([200]));
  });
});
