import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HostCredential, type HostRequest, SigraJwtService } from 'nestjs-sigra';
import { INVALID_TOKEN, insufficientScope, TWO_CREDENTIALS, UNAUTHORIZED } from '../support/answers.js';
import { type ContextClient, CONTEXTS, type Presented } from '../support/context-clients.js';
import { type ContextHosts, startContextHosts } from '../support/context-hosts.js';
import { JWT } from '../support/jwt-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** A bearer credential of the application: the id of its user, with the scopes after it. */
function ofHost({ headers: { authorization } }: HostRequest): HostCredential | undefined {
  const [, userId, scopes = ''] = /^Bearer host\.([^.]+)\.(.*)$/.exec(String(authorization)) ?? [];
  return userId === undefined ? undefined : { userId, scopes: scopes === '' ? [] : [scopes.replace('_', ':')] };
}

describe('Contexts by credential', () => {
  let test: TestApp;
  let hosts: ContextHosts;
  const open: ContextClient[] = [];

  beforeAll(async () => {
    test = await startTestApp({ sigra: { jwt: JWT } });
    hosts = await startContextHosts(test, {
      jwt: JWT,
      credentials: { headers: ['authorization', 'x-api-key'], resolve: ofHost },
    });
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await hosts.close();
    await test.close();
  });

  const tokenOf = (...scopes: string[]) => test.tokens.create(test.user, { name: 'CI', scopes });
  const me = (method: string) => ({ userId: test.user.id, method, email: test.user.email });

  describe.each(CONTEXTS)('$context', ({ context, connect }) => {
    const present = async (presented: Presented) => {
      const client = await connect(hosts, presented);
      open.push(client);
      return client;
    };

    it('answers 401 without a credential', async () => {
      const client = await present({});

      expect(await client.ask('me')).toEqual(UNAUTHORIZED.body);
      expect(await client.ask('scoped')).toEqual(UNAUTHORIZED.body);
    });

    it('accepts an API token', async () => {
      const client = await present({ token: (await tokenOf('write:notes')).rawToken });

      expect(await client.ask('me')).toEqual(me('api_token'));
      expect(await client.ask('scoped')).toEqual(me('api_token'));
    });

    it('accepts a JWT', async () => {
      const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['write:notes']);
      const client = await present({ token: accessToken });

      expect(await client.ask('me')).toEqual(me('jwt'));
      expect(await client.ask('scoped')).toEqual(me('jwt'));
    });

    it(context === 'TCP' ? 'reads no session' : 'accepts a session', async () => {
      const client = await present({ sessionOf: test.user.id });

      expect(await client.ask('scoped')).toEqual(context === 'TCP' ? UNAUTHORIZED.body : me('session'));
    });

    it('refuses a token that was revoked since the last message', async () => {
      const { rawToken, token } = await tokenOf('write:notes');
      const client = await present({ token: rawToken });
      const before = await client.ask('scoped');

      await test.tokens.revoke(token.id);

      expect(before).toEqual(me('api_token'));
      expect(await client.ask('scoped')).toEqual(INVALID_TOKEN.body);
      expect(await client.ask('me')).toEqual(INVALID_TOKEN.body);
    });

    it('refuses a JWT after a sign-out everywhere', async () => {
      const jwt = test.get(SigraJwtService);
      const user = await test.addUser('grace@example.com');
      const { accessToken } = await jwt.generateTokens(user, ['write:notes']);
      const client = await present({ token: accessToken });
      const before = await client.ask('scoped');

      await jwt.signOutEverywhere(user);

      expect(before).toMatchObject({ method: 'jwt' });
      expect(await client.ask('scoped')).toEqual(INVALID_TOKEN.body);
    });

    it('refuses an API token and a JWT that have expired', async () => {
      const { rawToken, token } = await tokenOf('write:notes');
      await test.dataSource.query(`UPDATE sigra_api_tokens SET expires_at = now() - interval '1 hour' WHERE id = $1`, [
        token.id,
      ]);
      const now = test.clock.now();
      test.clock.set(new Date(now.getTime() - 86_400_000));
      const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['write:notes']);
      test.clock.set(now);

      for (const expired of [rawToken, accessToken]) {
        expect(await (await present({ token: expired })).ask('me')).toEqual(INVALID_TOKEN.body);
      }
    });

    it('accepts a credential of the application, and refuses one of an unknown user or without the scope', async () => {
      const [good, poor] = [`host.${test.user.id}.write_notes`, `host.${test.user.id}.read_notes`];
      const client = await present({ token: good });

      expect([await client.ask('me'), await client.ask('scoped')]).toEqual([me('host'), me('host')]);
      expect(await (await present({ token: `host.${randomUUID()}.write_notes` })).ask('me')).toEqual(
        INVALID_TOKEN.body,
      );
      expect(await (await present({ token: poor })).ask('scoped')).toEqual(
        insufficientScope(['write:notes'], ['write:notes']).body,
      );
    });

    it('answers 403 to a credential that lacks a scope', async () => {
      const client = await present({ token: (await tokenOf('read:notes')).rawToken });

      expect(await client.ask('me')).toEqual(me('api_token'));
      expect(await client.ask('scoped')).toEqual(insufficientScope(['write:notes'], ['write:notes']).body);
    });

    it('accepts an API token in a header of its own, and refuses it when it is revoked', async () => {
      const { rawToken, token } = await tokenOf('write:notes');
      const client = await present({ key: rawToken });
      const before = [await client.ask('me'), await client.ask('scoped')];

      await test.tokens.revoke(token.id);

      expect(before).toEqual([me('api_token'), me('api_token')]);
      expect(await client.ask('me')).toEqual(INVALID_TOKEN.body);
    });

    it('refuses different credentials in two headers, and accepts the same one', async () => {
      const [{ rawToken: token }, { rawToken: key }] = [await tokenOf('read:notes'), await tokenOf('write:notes')];

      const different = await present({ token, key });
      const same = await present({ token: key, key });

      expect(await different.ask('me')).toEqual(TWO_CREDENTIALS.body);
      expect(await same.ask('me')).toEqual(me('api_token'));
    });

    it('lets a bad key decide beside a session', async () => {
      const client = await present({ key: 'sigra_sk_unknown', sessionOf: test.user.id });

      expect(await client.ask('me')).toEqual(INVALID_TOKEN.body);
    });

    it('answers 401 to an unknown token, also beside a session', async () => {
      const client = await present({ token: 'sigra_sk_unknown', sessionOf: test.user.id });

      expect(await client.ask('me')).toEqual(INVALID_TOKEN.body);
    });
  });
});
