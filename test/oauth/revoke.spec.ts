import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditRows } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';
import { INVALID_GRANT, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

describe.each(ADAPTERS)('POST /oauth/revoke on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family' }, { adapter });
  });
  afterAll(() => test.close());

  const create = (expiresAt?: Date) => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'], expiresAt });

  it('revokes the family of a refresh token, with its access tokens (RFC 7009 section 2.1)', async () => {
    const { accessToken, refreshToken } = await test.signIn();
    const before = await test.present(accessToken);

    const { status, headers, body } = await test.post('revoke', { token: refreshToken });
    const after = await test.present(accessToken);

    expect([status, body, headers.get('cache-control')]).toEqual([200, {}, 'no-store']);
    expect([before.status, after.status]).toEqual([200, 401]);
    expect((await test.refresh(refreshToken)).body).toEqual(INVALID_GRANT);
  });

  it('revokes the family of a consumed refresh token too', async () => {
    const { refreshToken } = await test.signIn();
    const successor = await test.jwt.refresh(refreshToken);

    const { status } = await test.post('revoke', { token: refreshToken });

    expect(status).toBe(200);
    expect(await refusalOf(test.jwt.refresh(successor.refreshToken))).toBe('token_revoked');
  });

  it('revokes an API token for anyone who holds it, from the next request on', async () => {
    const { rawToken, token } = await create();
    const before = await test.present(rawToken);

    const { status, body } = await test.post('revoke', { token: rawToken }, { 'user-agent': 'scanner/1.0' });
    const after = await test.present(rawToken);

    expect([status, body]).toEqual([200, {}]);
    expect([before.status, after.status]).toEqual([200, 401]);
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
    expect((await auditRows(test.dataSource, token.id)).at(1)).toMatchObject({
      action: 'api.token_revoke',
      actor_id: null,
      user_agent: 'scanner/1.0',
    });
  });

  it('revokes an API token of an inactive user', async () => {
    const user = await test.addUser('suspended@example.com');
    const { rawToken } = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] });
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);

    const { status } = await test.post('revoke', { token: rawToken });
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);

    expect(status).toBe(200);
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('answers 200 for a token that is already revoked, and writes no audit row (RFC 7009 section 2.2)', async () => {
    const { refreshToken, accessToken } = await test.signIn();
    const { sid } = await test.jwt.verifyAccess(accessToken);
    const { rawToken, token } = await create();
    await test.post('revoke', { token: refreshToken });
    await test.post('revoke', { token: rawToken });

    const again = [await test.post('revoke', { token: refreshToken }), await test.post('revoke', { token: rawToken })];

    expect(again.map(({ status }) => status)).toEqual([200, 200]);
    expect((await auditRows(test.dataSource, sid)).map(({ action }) => action)).toEqual([
      'api.jwt_issue',
      'api.jwt_revoke',
    ]);
    expect((await auditRows(test.dataSource, token.id)).map(({ action }) => action)).toEqual([
      'api.token_create',
      'api.token_revoke',
    ]);
  });

  it('answers 200 for unknown and malformed tokens (RFC 7009 section 2.2)', async () => {
    const { refreshToken } = await test.signIn();
    const { rawToken } = await create();
    const unknown = [`${refreshToken}x`, `${rawToken}x`, 'sigra_rt_', 'sigra_sk_', 'x', '\0', "' OR 1=1 --", 'ü'];

    const answers = await Promise.all(unknown.map((token) => test.post('revoke', { token })));

    expect(answers.map(({ status, body }) => [status, body])).toEqual(unknown.map(() => [200, {}]));
    expect((await test.refresh(refreshToken)).status).toBe(200);
    expect((await test.present(rawToken)).status).toBe(200);
  });

  it('revokes an expired API token, which can be valid by the clock of another node', async () => {
    const { rawToken } = await create(new Date(test.clock.now().getTime() + 1000));
    test.clock.advance({ seconds: 1 });

    const { status } = await test.post('revoke', { token: rawToken });

    expect(status).toBe(200);
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('revokes the family of an access token, with its refresh token (RFC 7009 section 2.1)', async () => {
    const [own, other] = [await test.signIn(), await test.signIn()];
    const { sid } = await test.jwt.verifyAccess(own.accessToken);

    const first = await test.post('revoke', { token: own.accessToken }, { 'user-agent': 'cli/1.0' });
    const again = await test.post('revoke', { token: own.accessToken });

    expect([first, again].map(({ status, body }) => [status, body])).toEqual([
      [200, {}],
      [200, {}],
    ]);
    expect((await test.present(own.accessToken)).status).toBe(401);
    expect(await refusalOf(test.jwt.refresh(own.refreshToken))).toBe('token_revoked');
    expect((await test.present(other.accessToken)).status).toBe(200);
    expect((await auditRows(test.dataSource, sid)).slice(1)).toMatchObject([
      { action: 'api.jwt_revoke', actor_id: null, user_agent: 'cli/1.0' },
    ]);
  });

  it('revokes the family of a narrowed access token, and of one of an earlier refresh', async () => {
    const { refreshToken, accessToken } = await test.signIn('read:notes', 'admin');
    const narrow = await test.jwt.refresh(refreshToken, { scopes: ['read:notes'] });

    await test.post('revoke', { token: accessToken });

    expect(await refusalOf(test.jwt.refresh(narrow.refreshToken))).toBe('token_revoked');
  });

  it('revokes the family of an access token that has expired, and not of one that it has not signed', async () => {
    const { refreshToken, accessToken } = await test.signIn();

    const forged = await test.post('revoke', { token: `${accessToken.slice(0, -8)}AAAAAAAA` });
    const successor = await test.jwt.refresh(refreshToken);
    test.clock.advance({ seconds: 900 });
    const expired = await test.post('revoke', { token: accessToken });

    expect([forged, expired].map(({ status, body }) => [status, body])).toEqual([
      [200, {}],
      [200, {}],
    ]);
    expect(await refusalOf(test.jwt.refresh(successor.refreshToken))).toBe('token_revoked');
  });

  it.each(['refresh_token', 'access_token', 'nonsense', ''])(
    'works with any hint, such as %j (RFC 7009 section 2.1)',
    async (hint) => {
      const { refreshToken } = await test.signIn();
      const { rawToken } = await create();

      const { accessToken } = await test.signIn();

      const answers = [
        await test.post('revoke', { token: refreshToken, token_type_hint: hint }),
        await test.post('revoke', { token: rawToken, token_type_hint: hint }),
        await test.post('revoke', { token: accessToken, token_type_hint: hint }),
      ];

      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect((await test.present(accessToken)).status).toBe(401);
      expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
      expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
    },
  );

  it('requires exactly one token, and refuses client credentials that are not valid (RFC 7009 section 2.1)', async () => {
    const { refreshToken } = await test.signIn();

    const answers = [
      await test.post('revoke', {}),
      await test.post('revoke', { token: '' }),
      await test.post('revoke', [
        ['token', refreshToken],
        ['token', refreshToken],
      ]),
      await test.post('revoke', { token: refreshToken }, { authorization: 'Basic YTpi' }),
    ];

    expect(answers.map(({ status, body }) => [status, (body as { error: string }).error])).toEqual([
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [400, 'invalid_request'],
      [401, 'invalid_client'],
    ]);
    for (const { headers } of answers) {
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    }
    expect((await test.refresh(refreshToken)).status).toBe(200);
  });

  it('accepts JSON, and ignores an access_token beside the token', async () => {
    const [victim, own] = [await test.signIn(), await test.signIn()];

    const { status } = await test.postRaw(
      'revoke',
      'application/json',
      JSON.stringify({ token: own.refreshToken, access_token: victim.accessToken }),
    );

    expect(status).toBe(200);
    expect(await refusalOf(test.jwt.refresh(own.refreshToken))).toBe('token_revoked');
    expect((await test.present(victim.accessToken)).status).toBe(200);
  });
});

describe('POST /oauth/revoke where the prefix of API tokens also begins refresh tokens', () => {
  it('distinguishes refresh tokens from API tokens', async () => {
    const test = await startOAuthApp({}, { sigra: { apiTokens: { prefix: 'sigra_', scopes: ['read:notes'] } } });
    const { refreshToken } = await test.signIn();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    await test.post('revoke', { token: refreshToken });
    await test.post('revoke', { token: rawToken });
    const refusals = [await refusalOf(test.jwt.refresh(refreshToken)), await refusalOf(test.tokens.verify(rawToken))];
    await test.close();

    expect(refusals).toEqual(['token_revoked', 'token_revoked']);
  });
});
