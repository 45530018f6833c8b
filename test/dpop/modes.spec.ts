import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DpopOptions, SigraModuleOptions } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { answerOf, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { DpopClient } from '../support/dpop-client.js';
import { claimsOf, closeJwtApps } from '../support/jwt-app.js';
import { INVALID_GRANT, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const BASE = 'https://api.example';
const ISSUER = { issuer: 'https://login.example', audience: BASE, owner: () => undefined };

describe('The modes of DPoP', () => {
  let off: OAuthApp;
  let optional: OAuthApp;
  let required: OAuthApp;
  let client: DpopClient;

  beforeAll(async () => {
    const issuer = `${BASE}/`;
    const metadata = { resource: BASE };
    // Three configurations of one application.
    off = await startOAuthApp({ issuer }, { sigra: { metadata } });
    const join = (dpop: DpopOptions) =>
      startOAuthApp({ issuer, dpop }, { databaseUrl: off.databaseUrl, clock: off.clock, sigra: { metadata } }).then(
        (app) => ({ ...app, user: off.user }),
      );
    optional = await join({ mode: 'optional' });
    required = await join({ mode: 'required', algorithms: ['ES256'] });
    client = new DpopClient(() => off.clock.now());
  });
  afterAll(closeJwtApps);

  const binding = () => ({ dpopThumbprint: client.thumbprint });
  const present = (app: OAuthApp, accessToken: string) =>
    fetch(`${app.url}/notes/me`, { headers: client.headers('GET', `${BASE}/notes/me`, accessToken) });
  const introspect = async (app: OAuthApp, token: string) => {
    const { rawToken } = await off.tokens.create(off.user, { name: 'RS', scopes: ['oauth:introspect'] });
    return (await app.post('introspect', { token }, { authorization: `Bearer ${rawToken}` })).body;
  };
  const refresh = (app: OAuthApp, refreshToken: string) =>
    app.post(
      'token',
      { grant_type: 'refresh_token', refresh_token: refreshToken },
      { dpop: client.proof('POST', `${BASE}/oauth/token`) },
    );

  describe('off', () => {
    it('refuses bound tokens, as bearer and with a proof', async () => {
      const { accessToken, refreshToken } = await optional.jwt.generateTokens(off.user, ['admin'], {}, binding());

      expect(withoutResource(await answerOf(await off.present(accessToken)))).toEqual(INVALID_TOKEN);
      expect(withoutResource(await answerOf(await present(off, accessToken)))).toEqual(UNAUTHORIZED);
      expect(await refusalOf(off.jwt.verifyAccess(accessToken))).toBe('invalid_token');
      expect((await refresh(off, refreshToken)).body).toEqual(INVALID_GRANT);
      for (const app of [off, optional]) {
        const answers = [await introspect(app, accessToken), await introspect(app, refreshToken)];
        expect(answers).toMatchObject([{ active: app === optional }, { active: app === optional }]);
      }
      expect((await refresh(optional, refreshToken)).status).toBe(200);
    });

    it('ignores proofs, and announces nothing', async () => {
      const { refreshToken } = await off.signIn();

      const answer = tokensIn(await refresh(off, refreshToken));

      expect([answer.token_type, claimsOf(answer.access_token).cnf]).toEqual(['Bearer', undefined]);
      for (const name of ['oauth-authorization-server', 'oauth-protected-resource']) {
        const text = await (await fetch(`${off.url}/.well-known/${name}`)).text();
        expect(text).not.toContain('dpop');
      }
      await expect(off.jwt.generateTokens(off.user, ['admin'], {}, binding())).rejects.toThrow("mode is 'off'");
    });
  });

  describe('required', () => {
    it('issues only bound tokens', async () => {
      const { refreshToken } = await optional.signIn();
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
      const session = { 'x-session-user': off.user.id, 'content-type': 'application/json' };

      const refused = await required.post('token', form);
      const signIn = await fetch(`${required.url}/api/jwt`, {
        method: 'POST',
        headers: session,
        body: '{"scopes":["admin"]}',
      });

      expect([refused.status, refused.body]).toEqual([
        400,
        { error: 'invalid_dpop_proof', error_description: 'The request has no DPoP proof.' },
      ]);
      expect(signIn.status).toBe(401);
      expect(await refusalOf(required.jwt.generateTokens(off.user, ['admin']))).toBe('invalid_dpop_proof');
      // The refusal has not consumed it.
      expect(tokensIn(await refresh(required, refreshToken)).token_type).toBe('DPoP');
    });

    it('refuses JWTs without a key, and accepts API tokens', async () => {
      const { accessToken } = await optional.signIn();
      const bound = await required.jwt.generateTokens(off.user, ['admin'], {}, binding());
      const { rawToken } = await off.tokens.create(off.user, { name: 'CI', scopes: ['admin'] });

      const answer = await answerOf(await required.present(accessToken));

      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
      // API tokens are accepted as bearer credentials.
      expect(answer.challenge).toMatch(
        /^Bearer realm="api", error="invalid_token", .*, DPoP realm="api", error="invalid_token", .*algs="ES256"$/,
      );
      expect((await present(required, bound.accessToken)).status).toBe(200);
      expect((await required.present(rawToken)).status).toBe(200);
    });

    it('announces it', async () => {
      const resource = await (await fetch(`${required.url}/.well-known/oauth-protected-resource`)).json();

      expect(resource).toMatchObject({
        dpop_signing_alg_values_supported: ['ES256'],
        dpop_bound_access_tokens_required: true,
      });
    });

    it.each<[string, Partial<SigraModuleOptions<User>>]>([
      ['whose tokens are trusted', { metadata: { resource: BASE }, trustedIssuers: trustIssuers([ISSUER]) }],
      ['that the application names', { metadata: { resource: BASE, authorizationServers: [ISSUER.issuer] } }],
    ])('announces nothing of keys to clients of other servers %s, and names both schemes', async (_what, sigra) => {
      const shared = { databaseUrl: off.databaseUrl, clock: off.clock, sigra };
      const app = await startOAuthApp({ issuer: `${BASE}/`, dpop: { mode: 'required' } }, shared);

      const resource = await (await fetch(`${app.url}/.well-known/oauth-protected-resource`)).text();
      const { challenge } = await answerOf(await fetch(`${app.url}/notes/me`));

      expect(resource).toContain(ISSUER.issuer);
      expect(resource).not.toContain('dpop');
      expect(challenge).toMatch(/^Bearer realm="api", .*, DPoP realm="api", /);
    });

    it('refuses proofs of another algorithm', async () => {
      const { accessToken } = await required.jwt.generateTokens(off.user, ['admin'], {}, binding());
      const url = `${BASE}/notes/me`;
      const headers = client.headers('GET', url, accessToken, { header: { alg: 'RS256' } });

      const answer = await fetch(`${required.url}/notes/me`, { headers });

      expect(await answer.json()).toMatchObject({ error: 'invalid_dpop_proof', message: 'alg is not one of ES256.' });
    });
  });

  it('keeps cnf from the claims of the application', async () => {
    const app = await startOAuthApp({ claims: () => ({ cnf: { jkt: 'x' }, plan: 'pro' }) });

    const { accessToken } = await app.signIn();

    expect(claimsOf(accessToken)).toMatchObject({ plan: 'pro' });
    expect(claimsOf(accessToken).cnf).toBeUndefined();
  });
});

/** Without the parameter of RFC 9728. */
function withoutResource(answer: Awaited<ReturnType<typeof answerOf>>) {
  return { ...answer, challenge: answer.challenge?.replace(/, resource_metadata="[^"]*"/, '') };
}
