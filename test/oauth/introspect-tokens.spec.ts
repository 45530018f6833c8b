import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

const INACTIVE = { active: false };

describe.each(ADAPTERS)('According to POST /oauth/introspect on %s,', (adapter) => {
  let test: OAuthApp;
  let authorization: string;

  beforeAll(async () => {
    test = await startOAuthApp(
      { check: 'family', clientId: 'web', claims: ({ email }) => ({ email, active: false, epoch: 9 }) },
      { adapter },
    );
    const { rawToken } = await test.tokens.create(test.user, { name: 'resource server', scopes: ['oauth:introspect'] });
    authorization = `Bearer ${rawToken}`;
  });
  afterAll(() => test.close());

  const introspect = async (token: string) => {
    const { status, headers, body } = await test.post('introspect', { token }, { authorization });
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    return body;
  };
  const now = () => Math.floor(test.clock.now().getTime() / 1000);
  const signInAs = async (email: string) => {
    const user = await test.addUser(email);
    return { user, pair: await test.jwt.generateTokens(user, ['read:notes']) };
  };

  describe('an access token (RFC 7662 section 2.2)', () => {
    it('is active, with the claims that a resource server needs and those of the application', async () => {
      const { accessToken } = await test.signIn('read:notes', 'admin');
      const { jti, sid } = await test.jwt.verifyAccess(accessToken);

      expect(await introspect(accessToken)).toEqual({
        active: true,
        iss: 'https://issuer.example',
        sub: test.user.id,
        aud: 'api',
        client_id: 'web',
        iat: now(),
        exp: now() + 900,
        jti,
        scope: 'read:notes admin',
        sid,
        email: test.user.email,
        token_type: 'Bearer',
      });
    });

    it('is not active once it has expired, its family is revoked, or its user has signed out or is inactive', async () => {
      const [expired, revoked] = [await test.signIn(), await test.signIn()];
      const [careful, suspended] = [await signInAs('a@example.com'), await signInAs('b@example.com')];
      await test.jwt.revokeRefresh(revoked.refreshToken);
      await test.jwt.signOutEverywhere(careful.user);
      await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [suspended.user.id]);

      const answers = [revoked, careful.pair, suspended.pair].map(({ accessToken }) => introspect(accessToken));
      const early = await Promise.all([...answers, introspect(expired.accessToken)]);
      test.clock.advance({ seconds: 900 });
      const late = await introspect(expired.accessToken);

      expect(early).toEqual([INACTIVE, INACTIVE, INACTIVE, expect.objectContaining({ active: true })]);
      expect(late).toEqual(INACTIVE);
    });
  });

  describe('a refresh token', () => {
    it('is active while it can be used', async () => {
      const { refreshToken, accessToken } = await test.signIn('read:notes', 'admin');

      expect(await introspect(refreshToken)).toEqual({
        active: true,
        iss: 'https://issuer.example',
        sub: test.user.id,
        client_id: 'web',
        iat: now(),
        exp: now() + 2_592_000,
        scope: 'read:notes admin',
        sid: familyIdOf({ accessToken }),
      });
    });

    it('is not active once it is consumed, and introspection is not reuse', async () => {
      const { refreshToken, accessToken } = await test.signIn();
      const { sid } = await test.jwt.verifyAccess(accessToken);
      const successor = await test.jwt.refresh(refreshToken);

      const answers = [await introspect(refreshToken), await introspect(refreshToken)];
      const next = await test.jwt.refresh(successor.refreshToken);

      expect(answers).toEqual([INACTIVE, INACTIVE]);
      expect(next.scope).toBe('read:notes');
      expect(await auditActions(test.dataSource, sid)).toEqual(['api.jwt_issue', 'api.jwt_refresh', 'api.jwt_refresh']);
    });

    it('is not consumed by introspection', async () => {
      const { refreshToken } = await test.signIn();

      await introspect(refreshToken);
      const refreshed = await test.jwt.refresh(refreshToken);

      expect(refreshed.scope).toBe('read:notes');
    });

    it('is not active once it has expired or is revoked, or its user has signed out or is inactive', async () => {
      const [revoked, expired] = [await test.signIn(), await test.signIn()];
      const [careful, suspended] = [await signInAs('c@example.com'), await signInAs('d@example.com')];
      await test.jwt.revokeRefresh(revoked.refreshToken);
      await test.jwt.signOutEverywhere(careful.user);
      await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [suspended.user.id]);

      const early = await Promise.all(
        [revoked, careful.pair, suspended.pair, expired].map(({ refreshToken }) => introspect(refreshToken)),
      );
      test.clock.advance({ days: 30 });
      const late = await introspect(expired.refreshToken);

      expect(early).toEqual([INACTIVE, INACTIVE, INACTIVE, expect.objectContaining({ active: true })]);
      expect(late).toEqual(INACTIVE);
    });
  });

  describe('an API token', () => {
    it('is active until it is revoked or expires', async () => {
      const expiresAt = new Date((now() + 60) * 1000);
      const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin'], expiresAt });
      const forGood = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin', 'read:notes'] });

      const active = [await introspect(rawToken), await introspect(forGood.rawToken)];
      test.clock.advance({ seconds: 60 });
      await test.tokens.revoke(forGood.token.id);
      const inactive = [await introspect(rawToken), await introspect(forGood.rawToken)];

      const common = { active: true, sub: test.user.id, token_type: 'Bearer' };
      const iat = Math.floor(token.createdAt.getTime() / 1000);
      expect(active).toEqual([
        { ...common, iat, jti: token.id, scope: 'admin', exp: Math.floor(expiresAt.getTime() / 1000) },
        { ...common, iat, jti: forGood.token.id, scope: 'admin read:notes' },
      ]);
      expect(inactive).toEqual([INACTIVE, INACTIVE]);
    });

    it('has its kind, if the application has kinds', async () => {
      const apiTokens = { scopes: ['admin'], kinds: { live: { prefix: 'sk_live_' }, test: { prefix: 'sk_test_' } } };
      const app = await startOAuthApp({}, { adapter, sigra: { apiTokens } });
      const create = (kind: string, scopes: string[]) => app.tokens.create(app.user, { name: 'CI', scopes, kind });
      const [asker, asked] = [await create('live', ['oauth:introspect']), await create('test', ['admin'])];
      const client = { client_id: asker.token.id, client_secret: asker.rawToken };

      const { body } = await app.post('introspect', { token: asked.rawToken, ...client });
      await app.close();

      expect(body).toMatchObject({ active: true, jti: asked.token.id, token_kind: 'test' });
    });
  });
});
