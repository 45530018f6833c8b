import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, ownerRef } from 'nestjs-sigra';
import { INVALID_TOKEN } from '../support/answers.js';
import { type ContextClient, CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, ORGANIZATIONS, startContextHosts } from '../support/context-hosts.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REFUSAL = {
  statusCode: 403,
  error: 'owner_not_allowed',
  message: 'This request is refused: it needs a credential of an owner of the type user.',
};

describe('Owners besides users', () => {
  let test: TestApp;
  let hosts: ContextHosts;
  const open: ContextClient[] = [];

  beforeAll(async () => {
    test = await startTestApp({ sigra: { owners: { organization: { provider: ORGANIZATIONS } } } });
    hosts = await startContextHosts(test);
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await hosts.close();
    await test.close();
  });

  describe.each(CONTEXTS)('$context', ({ connect }) => {
    const present = async (owner: Parameters<TestApp['tokens']['create']>[0]) => {
      const { rawToken } = await test.tokens.create(owner, { name: 'CI', scopes: ['write:notes'] });
      const client = await connect(hosts, { token: rawToken });
      open.push(client);
      return client;
    };

    it('are refused in each call whose handler does not name their type', async () => {
      const client = await present(ownerRef('organization', '1'));
      const acme = { userId: '1', method: 'api_token', email: 'acme@example.com' };

      expect(await client.ask('me')).toEqual(REFUSAL);
      expect(await client.ask('owned')).toEqual(acme);
      expect(await client.ask('scoped')).toEqual(REFUSAL);
      expect(await client.ask('owned')).toEqual(acme);
    });

    it('are another owner than the user with their id', async () => {
      const user = await test.addUser('ada@example.com');
      const organization = ownerRef('organization', user.id);
      const [ofUser, ofOrganization] = [await present(user), await present(organization)];
      const before = [await ofUser.ask('owned'), await ofOrganization.ask('owned')];

      await test.get(CredentialService).lockOut(organization);

      expect(before).toMatchObject([{ email: 'ada@example.com' }, { email: 'acme@example.com' }]);
      expect(await ofOrganization.ask('owned')).toEqual(INVALID_TOKEN.body);
      expect(await ofUser.ask('owned')).toEqual(before[0]);
      expect(await ofUser.ask('me')).toEqual(before[0]);
    });
  });
});
