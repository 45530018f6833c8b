import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DpopClient } from '../support/dpop-client.js';
import { claimsOf, familyIdOf } from '../support/jwt-app.js';
import { INVALID_GRANT, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';

const BASE = 'https://api.example';
const TOKEN = `${BASE}/oauth/token`;

describe.each(ADAPTERS)('POST /oauth/token with a DPoP proof on %s (RFC 9449 section 5)', (adapter) => {
  let test: OAuthApp;
  let client: DpopClient;
  let other: DpopClient;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family', dpop: { mode: 'optional', baseUrls: [BASE] } }, { adapter });
    const now = () => test.clock.now();
    [client, other] = [new DpopClient(now), new DpopClient(now)];
  });
  afterAll(() => test.close());

  const refresh = (refreshToken: string, by?: DpopClient) =>
    test.post(
      'token',
      { grant_type: 'refresh_token', refresh_token: refreshToken },
      by ? { dpop: by.proof('POST', TOKEN) } : {},
    );
  const isLive = async (pair: { accessToken: string }) => {
    const { families } = await test.jwt.listFamilies(test.user, { limit: 200 });
    return families.some(({ id }) => id === familyIdOf(pair));
  };

  it('binds the access token, and the family of a public client', async () => {
    const first = await test.signIn();

    const answer = tokensIn(await refresh(first.refreshToken, client));
    const next = tokensIn(await refresh(answer.refresh_token, client));

    expect([answer.token_type, next.token_type]).toEqual(['DPoP', 'DPoP']);
    expect(claimsOf(next.access_token).cnf).toEqual({ jkt: client.thumbprint });
    expect((await refresh(next.refresh_token)).body).toEqual(INVALID_GRANT);
  });

  it('leaves clients without a proof as they are', async () => {
    const first = await test.signIn();

    const answer = tokensIn(await refresh(first.refreshToken));

    expect(answer.token_type).toBe('Bearer');
    expect(claimsOf(answer.access_token).cnf).toBeUndefined();
    expect((await refresh(answer.refresh_token)).status).toBe(200);
  });

  it('refuses a bound refresh token with another key or none, and does not end its family', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: client.thumbprint });

    const answers = [await refresh(pair.refreshToken, other), await refresh(pair.refreshToken)];

    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [400, INVALID_GRANT],
      [400, INVALID_GRANT],
    ]);
    expect(await isLive(pair)).toBe(true);
    expect((await refresh(pair.refreshToken, client)).status).toBe(200);
  });

  it('detects the reuse of a bound refresh token', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: client.thumbprint });
    await refresh(pair.refreshToken, client);

    const answer = await refresh(pair.refreshToken, client);

    expect(answer.body).toEqual(INVALID_GRANT);
    expect(await isLive(pair)).toBe(false);
  });

  it('ends the family of a thief who was the first to bind it', async () => {
    const pair = await test.signIn();
    const stolen = tokensIn(await refresh(pair.refreshToken, other));

    const answer = await refresh(pair.refreshToken, client);

    expect(answer.body).toEqual(INVALID_GRANT);
    expect(await isLive(pair)).toBe(false);
    expect((await refresh(stolen.refresh_token, other)).status).toBe(400);
  });

  it('binds a family to one of two keys that refresh at the same time', async () => {
    for (let round = 0; round < 5; round++) {
      const pair = await test.signIn();

      const answers = await Promise.all([refresh(pair.refreshToken, client), refresh(pair.refreshToken, other)]);

      // The loser has presented a used token, which ends the family.
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
      expect(await isLive(pair)).toBe(false);
    }
  });

  it('gives an API token a bound access token (client_credentials), once for each proof', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const form = { grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken };
    const headers = { dpop: client.proof('POST', TOKEN) };

    const answer = await test.post('token', form, headers);
    const replay = await test.post('token', form, headers);

    const { access_token: accessToken, token_type: type } = tokensIn(answer);
    expect([type, claimsOf(accessToken).cnf]).toEqual(['DPoP', { jkt: client.thumbprint }]);
    expect([replay.status, replay.body]).toEqual([
      400,
      { error: 'invalid_dpop_proof', error_description: 'The proof was used before.' },
    ]);
    const url = `${BASE}/notes/me`;
    const use = await fetch(`${test.url}/notes/me`, { headers: client.headers('GET', url, accessToken) });
    expect([use.status, (await test.present(accessToken)).status]).toEqual([200, 401]);
  });

  it('gives a session a bound pair', async () => {
    const sign = (headers: Record<string, string>) =>
      fetch(`${test.url}/api/jwt`, {
        method: 'POST',
        headers: { 'x-session-user': test.user.id, 'content-type': 'application/json', ...headers },
        body: '{"scopes":["read:notes"]}',
      });

    const answer = await sign({ dpop: client.proof('POST', `${BASE}/api/jwt`) });
    const refused = await sign({ dpop: client.proof('POST', TOKEN) });

    const { refresh_token: refreshToken, token_type: type } = (await answer.json()) as ReturnType<typeof tokensIn>;
    expect(type).toBe('DPoP');
    expect((await refresh(refreshToken)).status).toBe(400);
    expect((await refresh(refreshToken, client)).status).toBe(200);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('DPoP realm="api", error="invalid_dpop_proof"'),
    ]);
  });

  it('refuses an invalid proof, and does not consume the refresh token', async () => {
    const { refreshToken } = await test.signIn();
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };

    const { status, body } = await test.post('token', form, { dpop: client.proof('GET', TOKEN) });

    expect([status, body]).toEqual([
      400,
      { error: 'invalid_dpop_proof', error_description: 'htm is not the method of the request.' },
    ]);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  it('writes no row for a client without a valid credential', async () => {
    const count = async () => {
      const [row] = await test.dataSource.query<{ count: string }[]>('SELECT count(*) AS count FROM sigra_dpop_proofs');
      return Number(row?.count);
    };
    const before = await count();

    await refresh('sigra_rt_x', client);
    await test.post(
      'token',
      { grant_type: 'client_credentials', client_id: 'x', client_secret: 'y' },
      { dpop: client.proof('POST', TOKEN) },
    );

    expect(await count()).toBe(before);
  });

  it('introspects bound tokens with their key (section 6.2)', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'RS', scopes: ['oauth:introspect'] });
    const pair = await test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: client.thumbprint });
    const introspect = async (token: string) =>
      (await test.post('introspect', { token }, { authorization: `Bearer ${rawToken}` })).body;

    const cnf = { jkt: client.thumbprint };
    expect(await introspect(pair.accessToken)).toMatchObject({ active: true, token_type: 'DPoP', cnf });
    expect(await introspect(pair.refreshToken)).toMatchObject({ active: true, cnf });
  });

  it('introspects for a resource server with a bound token of its own', async () => {
    const binding = { dpopThumbprint: client.thumbprint };
    const { accessToken } = await test.jwt.generateTokens(test.user, ['oauth:introspect'], {}, binding);
    const { accessToken: token } = await test.signIn();

    const url = `${BASE}/oauth/introspect`;
    const good = await test.post('introspect', { token }, client.headers('POST', url, accessToken));
    const bad = await test.post('introspect', { token }, client.headers('GET', url, accessToken));

    expect(good.body).toMatchObject({ active: true, token_type: 'Bearer' });
    expect([bad.status, bad.body]).toEqual([401, expect.objectContaining({ error: 'invalid_dpop_proof' })]);
  });

  it('revokes a bound token without a proof (RFC 7009)', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: client.thumbprint });

    await test.post('revoke', { token: pair.accessToken });

    expect(await isLive(pair)).toBe(false);
  });

  it('verifies bound tokens in services only with their key', async () => {
    const binding = { dpopThumbprint: client.thumbprint };
    const { accessToken, refreshToken } = await test.jwt.generateTokens(test.user, ['admin'], {}, binding);

    expect(await refusalOf(test.jwt.verifyAccess(accessToken))).toBe('invalid_token');
    expect(await refusalOf(test.jwt.verifyAccess(accessToken, { dpopThumbprint: other.thumbprint }))).toBe(
      'invalid_token',
    );
    expect(await test.jwt.verifyAccess(accessToken, binding)).toMatchObject({ sub: test.user.id });
    expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('invalid_token');
    expect((await test.jwt.refresh(refreshToken, binding)).tokenType).toBe('DPoP');
    await expect(test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: 'short' })).rejects.toThrow(
      'not a SHA-256',
    );
  });
});

describe('A bound family within its leeway', () => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ reuseLeeway: 30, dpop: { mode: 'optional', baseUrls: [BASE] } });
  });
  afterAll(() => test.close());

  it('gives the unused token again to its own key only, and another key does not end it', async () => {
    const [mine, theirs] = [{ dpopThumbprint: 'a'.repeat(43) }, { dpopThumbprint: 'b'.repeat(43) }];
    const pair = await test.jwt.generateTokens(test.user, ['admin'], {}, mine);
    const next = await test.jwt.refresh(pair.refreshToken, mine);

    const refusals = [
      await refusalOf(test.jwt.refresh(pair.refreshToken, theirs)),
      await refusalOf(test.jwt.refresh(pair.refreshToken)),
    ];
    const replayed = await test.jwt.refresh(pair.refreshToken, mine);

    expect(refusals).toEqual(['invalid_token', 'invalid_token']);
    expect(replayed.refreshToken).toBe(next.refreshToken);
    expect(claimsOf(replayed.accessToken).cnf).toEqual({ jkt: mine.dpopThumbprint });
  });
});
