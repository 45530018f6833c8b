import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import { AUDIENCE, type Issuer, startIssuer } from '../../support/oauth-issuer.js';
import { ADAPTERS } from '../../support/test-app.js';

// The test server has no TLS.
// eslint-disable-next-line @typescript-eslint/no-deprecated
const HTTP = { [oauth.allowInsecureRequests]: true };

describe.each(ADAPTERS)('oauth4webapi with an issuer on %s', (adapter) => {
  let issuer: Issuer;
  let server: oauth.AuthorizationServer;

  beforeAll(async () => {
    issuer = await startIssuer(adapter);
    const url = new URL(issuer.url);
    const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...HTTP });
    server = await oauth.processDiscoveryResponse(url, response);
  });
  afterAll(() => issuer.close());

  const webClient: oauth.Client = { client_id: 'web' };
  const refresh = async (refreshToken: string, scope?: string) => {
    const parameters = { additionalParameters: new URLSearchParams(scope === undefined ? {} : { scope }), ...HTTP };
    const response = await oauth.refreshTokenGrantRequest(server, webClient, oauth.None(), refreshToken, parameters);
    return oauth.processRefreshTokenResponse(server, webClient, response);
  };

  it('discovers the authorization server and the protected resource', async () => {
    const url = new URL(issuer.url);

    const response = await oauth.resourceDiscoveryRequest(url, HTTP);
    const resource = await oauth.processResourceDiscoveryResponse(url, response);

    expect(server.token_endpoint).toBe(`${issuer.url}/api/v1/oauth/token`);
    expect(resource).toMatchObject({ resource: issuer.url, authorization_servers: [issuer.url] });
  });

  it('refreshes and narrows as a public client', async () => {
    const { refreshToken } = await issuer.signIn('read:notes', 'write:notes');

    const narrow = await refresh(refreshToken, 'read:notes');
    const full = await refresh(narrow.refresh_token!);

    expect([narrow.scope, full.scope]).toEqual(['read:notes', 'read:notes write:notes']);
    expect(await issuer.accepts(full.access_token)).toBe(true);
  });

  it('reads the error of a used refresh token', async () => {
    const { refreshToken } = await issuer.signIn();
    await refresh(refreshToken);

    await expect(refresh(refreshToken)).rejects.toMatchObject({ error: 'invalid_grant', status: 400 });
  });

  it.each([
    ['client_secret_basic', oauth.ClientSecretBasic],
    ['client_secret_post', oauth.ClientSecretPost],
  ])('gets client credentials and introspects with %s', async (_method, authentication) => {
    const { id, secret } = await issuer.client('oauth:introspect', 'read:notes');
    const client = { client_id: id };
    const { accessToken } = await issuer.signIn();

    const granted = await oauth.processClientCredentialsResponse(
      server,
      client,
      await oauth.clientCredentialsGrantRequest(
        server,
        client,
        authentication(secret),
        new URLSearchParams({ scope: 'read:notes' }),
        HTTP,
      ),
    );
    const introspected = await oauth.processIntrospectionResponse(
      server,
      client,
      await oauth.introspectionRequest(server, client, authentication(secret), accessToken, HTTP),
    );

    expect(granted).toMatchObject({ scope: 'read:notes', token_type: 'bearer' });
    expect(granted.refresh_token).toBeUndefined();
    expect(introspected).toMatchObject({ active: true, sub: issuer.user.id, sid: expect.any(String) });
  });

  it('is refused with a wrong secret', async () => {
    const { id } = await issuer.client('oauth:introspect');
    const client = { client_id: id };

    const response = await oauth.introspectionRequest(server, client, oauth.ClientSecretPost('wrong'), 'x', HTTP);

    await expect(oauth.processIntrospectionResponse(server, client, response)).rejects.toMatchObject({
      error: 'invalid_client',
    });
  });

  it('revokes refresh tokens and access tokens', async () => {
    const [one, other] = [await issuer.signIn(), await issuer.signIn()];

    for (const token of [one.refreshToken, other.accessToken]) {
      const response = await oauth.revocationRequest(server, webClient, oauth.None(), token, HTTP);
      await oauth.processRevocationResponse(response);
    }

    expect([await issuer.accepts(one.accessToken), await issuer.accepts(other.accessToken)]).toEqual([false, false]);
  });

  it('verifies access tokens by its own rules of RFC 9068', async () => {
    const { accessToken } = await issuer.signIn('read:notes');
    const request = new Request('http://api.example', { headers: { authorization: `Bearer ${accessToken}` } });

    const claims = await oauth.validateJwtAccessToken(server, request, AUDIENCE, HTTP);

    expect(claims).toMatchObject({ sub: issuer.user.id, scope: 'read:notes' });
  });
});
