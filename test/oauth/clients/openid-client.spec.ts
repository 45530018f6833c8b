import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as client from 'openid-client';
import { type Issuer, startIssuer } from '../../support/oauth-issuer.js';
import { ADAPTERS } from '../../support/test-app.js';

describe.each(ADAPTERS)('openid-client with an issuer on %s', (adapter) => {
  let issuer: Issuer;

  beforeAll(async () => {
    issuer = await startIssuer(adapter);
  });
  afterAll(() => issuer.close());

  /** The test server has no TLS. */
  const discover = (id: string, authentication: client.ClientAuth) =>
    client.discovery(new URL(issuer.url), id, undefined, authentication, {
      algorithm: 'oauth2',
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      execute: [client.allowInsecureRequests],
    });

  it('discovers, refreshes, narrows and revokes as a public client', async () => {
    const config = await discover('web', client.None());
    const { refreshToken } = await issuer.signIn('read:notes', 'write:notes');

    const narrow = await client.refreshTokenGrant(config, refreshToken, { scope: 'read:notes' });
    const full = await client.refreshTokenGrant(config, narrow.refresh_token!);
    const before = await issuer.accepts(full.access_token);
    await client.tokenRevocation(config, full.access_token, { token_type_hint: 'access_token' });

    expect([narrow.scope, full.scope, narrow.expires_in]).toEqual(['read:notes', 'read:notes write:notes', 900]);
    expect([before, await issuer.accepts(full.access_token)]).toEqual([true, false]);
    await expect(client.refreshTokenGrant(config, full.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it.each([
    ['client_secret_basic', client.ClientSecretBasic],
    ['client_secret_post', client.ClientSecretPost],
  ])('gets client credentials and introspects with %s', async (_method, authentication) => {
    const { id, secret } = await issuer.client('oauth:introspect', 'read:notes');
    const config = await discover(id, authentication(secret));

    const granted = await client.clientCredentialsGrant(config, { scope: 'read:notes' });
    const active = await client.tokenIntrospection(config, granted.access_token);
    const inactive = await client.tokenIntrospection(config, 'x');

    expect(active).toMatchObject({ active: true, client_id: id, scope: 'read:notes', sub: issuer.user.id });
    expect(inactive).toEqual({ active: false });
  });

  it('is refused with a wrong secret', async () => {
    const { id } = await issuer.client('read:notes');
    const config = await discover(id, client.ClientSecretPost('wrong'));

    await expect(client.clientCredentialsGrant(config)).rejects.toMatchObject({ error: 'invalid_client' });
  });
});
