import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { INVALID_TOKEN } from '../support/answers.js';
import { type ContextClient, CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, startContextHosts } from '../support/context-hosts.js';
import { JWT } from '../support/jwt-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const HERE = ['127.0.0.0/8', '::1'];
const ELSEWHERE = ['192.0.2.0/24'];

describe('Credentials that are limited to addresses', () => {
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

  describe.each(CONTEXTS)('$context', ({ context, connect }) => {
    const present = async (token: string) => {
      const client = await connect(hosts, { token });
      open.push(client);
      return client;
    };
    const tokenOf = (allowedIps: readonly string[]) =>
      test.tokens.create(test.user, { name: 'CI', scopes: ['write:notes'], allowedIps });
    /** A microservice does not know the address of a client. */
    const accepted = (method: string) => (context === 'TCP' ? INVALID_TOKEN.body : expect.objectContaining({ method }));

    it('accepts or refuses an API token by its address, message by message', async () => {
      const { rawToken, token } = await tokenOf(HERE);
      const client = await present(rawToken);
      const before = await client.ask('scoped');

      await test.tokens.update(token.id, { allowedIps: ELSEWHERE });
      const after = await client.ask('scoped');
      await test.tokens.update(token.id, { allowedIps: null });

      expect(before).toEqual(accepted('api_token'));
      expect(after).toEqual(INVALID_TOKEN.body);
      expect(await client.ask('scoped')).toMatchObject({ method: 'api_token' });
    });

    it.each([
      ['accepts a JWT here', HERE],
      ['refuses a JWT from elsewhere', ELSEWHERE],
    ])('%s that a token of these addresses made', async (what, allowedIps) => {
      const { token } = await tokenOf(allowedIps);
      const principal = {
        user: test.user,
        userId: test.user.id,
        method: 'api_token',
        scopes: token.scopes,
        tokenId: token.id,
      } as const;
      const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['write:notes'], { principal });

      const answer = await (await present(accessToken)).ask('scoped');

      expect(answer).toEqual(what.startsWith('accepts') ? accepted('jwt') : INVALID_TOKEN.body);
    });
  });
});
