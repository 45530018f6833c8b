import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditRows } from '../support/audit-rows.js';
import { ADAPTERS } from '../support/test-app.js';
import { INVALID_GRANT, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';

describe.each(ADAPTERS)('POST /oauth/token on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ accessTtl: 600, refreshTtl: 3600, absoluteTtl: 7200 }, { adapter });
  });
  afterAll(() => test.close());

  it('answers with the fields of RFC 6749 section 5.1, and no others', async () => {
    const { refreshToken } = await test.signIn('read:notes', 'write:notes');

    const { status, headers, body } = await test.refresh(refreshToken);

    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.stringMatching(/^sigra_rt_[0-9A-Za-z]{49}$/),
      scope: 'read:notes write:notes',
    });
    expect(headers.get('content-type')).toMatch(/^application\/json\b/);
  });

  it('is never cached: Cache-Control no-store and Pragma no-cache (RFC 6749 section 5.1), on errors too', async () => {
    const { refreshToken } = await test.signIn();

    const answers = [await test.refresh(refreshToken), await test.refresh(refreshToken), await test.post('token', {})];

    expect(answers.map(({ status }) => status)).toEqual([200, 400, 400]);
    for (const { headers } of answers) {
      expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    }
  });

  it('issues valid tokens, and replaces the refresh token (RFC 6749 section 6)', async () => {
    const first = await test.signIn();

    const second = tokensIn(await test.refresh(first.refreshToken));
    const third = tokensIn(await test.refresh(second.refresh_token));
    const notes = await test.present(third.access_token, '/notes');

    expect(new Set([first.refreshToken, second.refresh_token, third.refresh_token]).size).toBe(3);
    expect(notes.status).toBe(200);
  });

  it('gives every invalid refresh token the same answer (RFC 6749 section 5.2)', async () => {
    const consumed = await test.signIn();
    await test.refresh(consumed.refreshToken);
    const [revoked, live] = [await test.signIn(), await test.signIn()];
    await test.jwt.revokeRefresh(revoked.refreshToken);
    const gone = await test.addUser('gone@example.com');
    const ofGone = await test.jwt.generateTokens(gone, ['read:notes']);
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [gone.id]);
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const bad = [
      consumed.refreshToken,
      revoked.refreshToken,
      ofGone.refreshToken,
      live.accessToken,
      rawToken,
      `${live.refreshToken}x`,
      live.refreshToken.toUpperCase(),
      ` ${live.refreshToken}`,
      'sigra_rt_',
      'x',
      '\0',
      "' OR 1=1 --",
      'x'.repeat(50_000),
    ];

    const answers = [];
    for (const refreshToken of bad) answers.push(await test.refresh(refreshToken));
    test.clock.advance({ hours: 1 });
    answers.push(await test.refresh(live.refreshToken));

    for (const { status, body, headers } of answers) {
      expect([status, body, headers.get('www-authenticate')]).toEqual([400, INVALID_GRANT, null]);
    }
    expect(answers).toHaveLength(14);
  });

  it('revokes the family when a consumed refresh token is presented again (RFC 9700 section 4.14.2)', async () => {
    const stolen = await test.signIn();
    const successor = tokensIn(await test.refresh(stolen.refreshToken));

    await test.refresh(stolen.refreshToken);
    const thereafter = await test.refresh(successor.refresh_token);

    expect(thereafter.body).toEqual(INVALID_GRANT);
  });

  it('records the address and the user agent', async () => {
    const { refreshToken, accessToken } = await test.signIn();
    const { sid } = await test.jwt.verifyAccess(accessToken);

    await test.post('token', { grant_type: 'refresh_token', refresh_token: refreshToken }, { 'user-agent': 'cli/1.0' });
    const rows = await auditRows(test.dataSource, sid);

    expect(rows.map(({ action }) => action)).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
    expect(rows[1]).toMatchObject({ user_agent: 'cli/1.0', ip_address: expect.stringContaining('127.0.0.1') });
  });

  it.each(['GET', 'PUT', 'DELETE'])('answers 405 to %s (RFC 6749 section 3.2)', async (method) => {
    const { refreshToken } = await test.signIn();
    const query = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });

    const answer = await fetch(`${test.url}/oauth/token?${query.toString()}`, { method });

    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
    await expect(test.jwt.refresh(refreshToken)).resolves.toMatchObject({ tokenType: 'Bearer' });
  });
});
