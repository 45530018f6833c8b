import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ContextClient, CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, RESOURCE, startContextHosts } from '../support/context-hosts.js';
import { JWT } from '../support/jwt-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REFUSAL = {
  statusCode: 403,
  error: 'resource_not_allowed',
  message: 'The credential is limited to other resources.',
};

describe('Credentials that are limited to resources', () => {
  let test: TestApp;
  let hosts: ContextHosts;
  const open: ContextClient[] = [];

  beforeAll(async () => {
    test = await startTestApp({ sigra: { jwt: JWT } });
    hosts = await startContextHosts(test, { jwt: JWT });
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await hosts.close();
    await test.close();
  });

  it.each(CONTEXTS)('$context: are accepted or refused by the resource of the call', async ({ connect }) => {
    const { rawToken, token } = await test.tokens.create(test.user, {
      name: 'CI',
      scopes: ['write:notes'],
      resources: [RESOURCE, 'note:2'],
    });
    const client = await connect(hosts, { token: rawToken });
    open.push(client);
    const before = await client.ask('scoped');

    await test.tokens.update(token.id, { resources: ['note:2'] });

    expect(before).toMatchObject({ method: 'api_token' });
    expect(await client.ask('scoped')).toEqual(REFUSAL);
    expect(await client.ask('me')).toMatchObject({ method: 'api_token' });
  });
});
