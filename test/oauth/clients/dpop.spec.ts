import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { type Issuer, startIssuer } from '../../support/oauth-issuer.js';
import { ADAPTERS } from '../../support/test-app.js';

// The test server has no TLS.
// eslint-disable-next-line @typescript-eslint/no-deprecated
const HTTP = { [oauth.allowInsecureRequests]: true };
const WEB: oauth.Client = { client_id: 'web' };

describe.each(ADAPTERS)('Clients that support DPoP with an issuer on %s', (adapter) => {
  let issuer: Issuer;
  let server: oauth.AuthorizationServer;
  let resource: URL;

  beforeAll(async () => {
    issuer = await startIssuer(adapter, 'RS256', { mode: 'optional' });
    const url = new URL(issuer.url);
    const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...HTTP });
    server = await oauth.processDiscoveryResponse(url, response);
    resource = new URL(`${issuer.url}/api/v1/api/scopes?page=1`);
  });
  afterAll(() => issuer.close());

  describe.each(['ES256', 'PS256', 'RS256', 'Ed25519'])('oauth4webapi with a key for %s', (alg) => {
    const handleOf = async () => oauth.DPoP(WEB, await oauth.generateKeyPair(alg));
    const refresh = async (refreshToken: string, DPoP?: oauth.DPoPHandle) => {
      const options = { ...(DPoP && { DPoP }), ...HTTP };
      const response = await oauth.refreshTokenGrantRequest(server, WEB, oauth.None(), refreshToken, options);
      return oauth.processRefreshTokenResponse(server, WEB, response);
    };

    it('refreshes, uses the access token and cannot use it with another key', async () => {
      const [DPoP, other] = [await handleOf(), await handleOf()];
      const { refreshToken } = await issuer.signIn('read:notes');

      const tokens = await refresh(refreshToken, DPoP);
      const use = (handle: oauth.DPoPHandle) =>
        oauth.protectedResourceRequest(tokens.access_token, 'GET', resource, undefined, undefined, {
          DPoP: handle,
          ...HTTP,
        });

      expect(tokens.token_type).toBe('dpop');
      expect([(await use(DPoP)).status, (await use(DPoP)).status]).toEqual([200, 200]);
      expect(await issuer.accepts(tokens.access_token)).toBe(false);
      await expect(use(other)).rejects.toMatchObject({
        cause: [
          { scheme: 'bearer', parameters: { error: 'invalid_token' } },
          { scheme: 'dpop', parameters: { error: 'invalid_token', algs: expect.stringContaining(alg) } },
        ],
      });
      await expect(refresh(tokens.refresh_token!, other)).rejects.toMatchObject({ error: 'invalid_grant' });
      await expect(refresh(tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
      expect((await refresh(tokens.refresh_token!, DPoP)).token_type).toBe('dpop');
    });

    it('gets client credentials with a key', async () => {
      const DPoP = await handleOf();
      const { id, secret } = await issuer.client('read:notes');
      const confidential = { client_id: id };

      const response = await oauth.clientCredentialsGrantRequest(
        server,
        confidential,
        oauth.ClientSecretBasic(secret),
        new URLSearchParams(),
        { DPoP, ...HTTP },
      );
      const granted = await oauth.processClientCredentialsResponse(server, confidential, response);

      expect(granted.token_type).toBe('dpop');
    });
  });

  it('is found by metadata', async () => {
    const response = await oauth.resourceDiscoveryRequest(new URL(issuer.url), HTTP);
    const protectedResource = await oauth.processResourceDiscoveryResponse(new URL(issuer.url), response);

    const algorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256', 'RS512'];
    expect(server.dpop_signing_alg_values_supported).toEqual(algorithms);
    expect(protectedResource).toMatchObject({
      dpop_signing_alg_values_supported: algorithms,
      dpop_bound_access_tokens_required: false,
    });
  });

  it('serves openid-client', async () => {
    const config = await client.discovery(new URL(issuer.url), 'web', undefined, client.None(), {
      algorithm: 'oauth2',
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      execute: [client.allowInsecureRequests],
    });
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const { refreshToken } = await issuer.signIn('read:notes');

    const first = await client.refreshTokenGrant(config, refreshToken, undefined, { DPoP });
    const tokens = await client.refreshTokenGrant(config, first.refresh_token!, undefined, { DPoP });
    const use = () =>
      client.fetchProtectedResource(config, tokens.access_token, resource, 'GET', undefined, undefined, { DPoP });

    expect([tokens.token_type, (await use()).status, (await use()).status]).toEqual(['dpop', 200, 200]);
    await expect(client.refreshTokenGrant(config, tokens.refresh_token!)).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it('issues tokens that another server verifies with its own rules', async () => {
    const keys = await oauth.generateKeyPair('ES256');
    const DPoP = oauth.DPoP(WEB, keys);
    const { refreshToken } = await issuer.signIn('read:notes');
    const response = await oauth.refreshTokenGrantRequest(server, WEB, oauth.None(), refreshToken, { DPoP, ...HTTP });
    const { access_token: accessToken } = await oauth.processRefreshTokenResponse(server, WEB, response);
    let seen: Request | undefined;
    await oauth
      .protectedResourceRequest(accessToken, 'GET', new URL('http://other.example/x'), undefined, undefined, {
        DPoP,
        ...HTTP,
        [oauth.customFetch]: (url: string, init: RequestInit) => {
          seen = new Request(url, { method: init.method!, headers: init.headers! });
          return Promise.resolve(new Response());
        },
      })
      .catch(() => undefined);

    const claims = await oauth.validateJwtAccessToken(server, seen!, 'https://api.example', HTTP);

    expect(claims.cnf).toEqual({ jkt: await DPoP.calculateThumbprint() });
  });
});
