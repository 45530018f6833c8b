import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2';
import { type Issuer, startIssuer } from '../../support/oauth-issuer.js';
import { refusalOf } from '../../support/refusal.js';
import { ADAPTERS } from '../../support/test-app.js';

describe.each(ADAPTERS)('simple-oauth2 with an issuer on %s', (adapter) => {
  let issuer: Issuer;

  beforeAll(async () => {
    issuer = await startIssuer(adapter);
  });
  afterAll(() => issuer.close());

  const configOf = async (authorizationMethod: 'header' | 'body') => {
    const { id, secret } = await issuer.client('read:notes');
    const path = '/api/v1/oauth';
    return {
      client: { id, secret },
      auth: { tokenHost: issuer.url, tokenPath: `${path}/token`, revokePath: `${path}/revoke` },
      options: { authorizationMethod },
    };
  };

  describe.each(['header', 'body'] as const)('that authenticates in the %s', (method) => {
    it('refreshes, narrows and revokes access token and refresh token together', async () => {
      const client = new AuthorizationCode(await configOf(method));
      const pair = await issuer.signIn('read:notes', 'write:notes');
      const stored = client.createToken({ refresh_token: pair.refreshToken, access_token: pair.accessToken });

      const narrow = await stored.refresh({ scope: 'read:notes' });
      const full = await narrow.refresh();
      const before = await issuer.accepts(String(full.token.access_token));
      await full.revokeAll();

      expect([narrow.token.scope, full.token.scope]).toEqual(['read:notes', 'read:notes write:notes']);
      expect([before, await issuer.accepts(String(full.token.access_token))]).toEqual([true, false]);
      expect(await refusalOf(issuer.jwt.refresh(String(full.token.refresh_token)))).toBe('token_revoked');
    });

    it('gets client credentials', async () => {
      const client = new ClientCredentials(await configOf(method));

      const { token } = await client.getToken({ scope: 'read:notes' });

      expect(token).toMatchObject({ scope: 'read:notes', token_type: 'Bearer' });
      expect(await issuer.accepts(String(token.access_token))).toBe(true);
    });
  });
});
