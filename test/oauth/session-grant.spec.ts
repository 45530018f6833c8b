import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { auditRows } from '../support/audit-rows.js';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

describe.each(ADAPTERS)('POST /api/jwt on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter });
  });
  afterAll(() => test.close());

  const ask = async (body: unknown, headers: Record<string, string> = { 'x-session-user': test.user.id }) => {
    const answer = await fetch(`${test.url}/api/jwt`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
  };

  it('issues a token response to a session (RFC 6749 section 5.1), uncached, with an audit row', async () => {
    const { status, headers, body } = await ask({ scopes: ['read:notes', 'read:notes'] });
    const claims = decodeJwt(String(body.access_token));

    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['access_token', 'expires_in', 'refresh_token', 'scope', 'token_type']);
    expect(body.scope).toBe('read:notes');
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(await auditRows(test.dataSource, String(claims.sid))).toMatchObject([
      { action: 'api.jwt_issue', actor_id: test.user.id, metadata: { method: 'session', scopes: ['read:notes'] } },
    ]);
  });

  it('accepts a session only: no token can issue JWTs', async () => {
    const { accessToken } = await test.signIn('*');
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });

    const answers = [];
    for (const credential of [accessToken, rawToken]) {
      const authorization = `Bearer ${credential}`;
      answers.push(await ask({ scopes: ['read:notes'] }, { authorization }));
      answers.push(await ask({ scopes: ['read:notes'] }, { authorization, 'x-session-user': test.user.id }));
    }
    answers.push(await ask({ scopes: ['read:notes'] }, {}));

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
  });

  it('accepts requests from its own origin only', async () => {
    const { status, body } = await ask(
      { scopes: ['read:notes'] },
      { 'x-session-user': test.user.id, 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' },
    );

    expect([status, body.error]).toEqual([403, 'cross_origin']);
  });

  it.each([
    [{}, 'scopes_required'],
    [{ scopes: [] }, 'scopes_required'],
    [{ scopes: 'read:notes' }, 'scopes_required'],
    [{ scopes: [7] }, 'invalid_scope_format'],
    [{ scopes: ['READ'] }, 'invalid_scope_format'],
    [{ scopes: ['nope'] }, 'unregistered_scopes'],
    [{ scopes: ['read:notes'], userId: 'somebody else' }, 'invalid_request'],
    [[], 'invalid_request'],
  ])('answers %j with 400 %s', async (body, error) => {
    const answer = await ask(body);

    expect([answer.status, answer.body.error]).toEqual([400, error]);
  });
});

describe.each(ADAPTERS)('A session with fewer scopes on %s', (adapter) => {
  it('gets no more scopes than it holds', async () => {
    const session = {
      userId: ({ headers }: { headers: object }) => (headers as Record<string, string>)['x-session-user'],
      scopes: ['read:notes'],
    };
    const test = await startOAuthApp({}, { adapter, sigra: { session } });

    const answer = await fetch(`${test.url}/api/jwt`, {
      method: 'POST',
      headers: { 'x-session-user': test.user.id, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['read:notes', 'admin'] }),
    });
    const body = await answer.json();
    await test.close();

    expect([answer.status, body]).toMatchObject([403, { error: 'insufficient_scope', missing: ['admin'] }]);
  });
});
