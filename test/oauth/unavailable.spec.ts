import { afterEach, describe, expect, it } from '@jest/globals';
import { JwtIntrospector } from '../../libs/sigra/src/jwt/jwt.introspector.js';
import { closeJwtApps } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

const UNAVAILABLE = { error: 'temporarily_unavailable', error_description: 'The database did not answer.' };

afterEach(closeJwtApps);

describe.each(ADAPTERS)('Without a database on %s', (adapter) => {
  /** Runs `work` while the database cannot be reached, and reconnects afterwards. */
  async function withoutDatabase<T>(test: OAuthApp, work: () => Promise<T>): Promise<T> {
    await test.dataSource.destroy();
    try {
      return await work();
    } finally {
      await test.dataSource.initialize();
    }
  }

  it('the token endpoint answers 503, consumes nothing, and answers 200 afterwards', async () => {
    const test = await startOAuthApp({}, { adapter });
    const { refreshToken } = await test.signIn();

    const down = await withoutDatabase(test, () => test.refresh(refreshToken));
    const up = await test.refresh(refreshToken);

    expect([down.status, down.body]).toEqual([503, UNAVAILABLE]);
    expect(down.headers.get('retry-after')).toBe('1');
    expect(down.headers.get('cache-control')).toBe('no-store');
    expect(up.status).toBe(200);
  });

  it('the revocation endpoint answers 503, never 200 (RFC 7009 section 2.2.1)', async () => {
    const test = await startOAuthApp({}, { adapter });
    const { refreshToken } = await test.signIn();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    const answers = await withoutDatabase(test, async () => [
      await test.post('revoke', { token: refreshToken }),
      await test.post('revoke', { token: rawToken }),
    ]);

    for (const { status, body, headers } of answers) {
      expect([status, body, headers.get('retry-after')]).toEqual([503, UNAVAILABLE, '1']);
    }
  });

  it('introspection answers 503, never that a token is not active (RFC 7662 section 2.3)', async () => {
    const test = await startOAuthApp({ check: 'stateless' }, { adapter });
    const { accessToken, refreshToken } = await test.signIn('oauth:introspect');
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['oauth:introspect'] });
    const ask = (token: string, credential: string) =>
      test.post('introspect', { token }, { authorization: `Bearer ${credential}` });

    const [ofAccess, ofRefresh, ofApiToken, asker] = await withoutDatabase(test, async () => [
      await ask(accessToken, accessToken),
      await ask(refreshToken, accessToken),
      await ask(rawToken, accessToken),
      await ask(accessToken, rawToken),
    ]);

    expect(ofAccess.body).toMatchObject({ active: true });
    expect([ofRefresh, ofApiToken].map(({ status, body }) => [status, body])).toEqual([
      [503, UNAVAILABLE],
      [503, UNAVAILABLE],
    ]);
    expect([asker.status, asker.body, asker.headers.get('retry-after')]).toEqual([503, UNAVAILABLE, '1']);
  });

  it('introspection is unavailable for an access token that is checked in the database (RFC 7662 section 2.3)', async () => {
    const test = await startOAuthApp({}, { adapter });
    const { accessToken } = await test.signIn();
    // Not over HTTP: there the caller's own credential is refused first.
    const introspector = test.get(JwtIntrospector);

    const code = await withoutDatabase(test, () => refusalOf(introspector.introspect(accessToken)));

    expect(code).toBe('unavailable');
  });

  it('a session gets 503 instead of tokens', async () => {
    const test = await startOAuthApp({}, { adapter });

    const answer = await withoutDatabase(test, () =>
      fetch(`${test.url}/api/jwt`, { method: 'POST', headers: { 'x-session-user': test.user.id } }),
    );

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('the keys are still served', async () => {
    const test = await startOAuthApp({}, { adapter });

    const answer = await withoutDatabase(test, () => fetch(`${test.url}/.well-known/jwks.json`));

    expect(answer.status).toBe(200);
  });
});
