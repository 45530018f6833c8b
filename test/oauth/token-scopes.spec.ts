import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';

describe.each(ADAPTERS)('scope at the token endpoint on %s (RFC 6749 section 6)', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter });
  });
  afterAll(() => test.close());

  it('defaults to all scopes that were granted', async () => {
    const { refreshToken } = await test.signIn('read:notes', 'write:notes');

    const { scope } = tokensIn(await test.refresh(refreshToken));

    expect(scope).toBe('read:notes write:notes');
  });

  it('narrows the access token, in the order of the request, each scope once', async () => {
    const { refreshToken } = await test.signIn('read:notes', 'write:notes', 'admin');

    const { scope, access_token } = tokensIn(await test.refresh(refreshToken, { scope: 'admin read:notes admin' }));
    const claims = await test.jwt.verifyAccess(access_token);
    const add = await fetch(`${test.url}/notes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access_token}` },
    });

    expect(scope).toBe('admin read:notes');
    expect(claims.scope).toBe('admin read:notes');
    expect(add.status).toBe(403);
  });

  it('narrows one access token only: the refresh token keeps all scopes', async () => {
    const { refreshToken } = await test.signIn('read:notes', 'write:notes');

    const narrow = tokensIn(await test.refresh(refreshToken, { scope: 'read:notes' }));
    const wide = tokensIn(await test.refresh(narrow.refresh_token));

    expect([narrow.scope, wide.scope]).toEqual(['read:notes', 'read:notes write:notes']);
  });

  it('narrows wildcards', async () => {
    const { refreshToken } = await test.signIn('*');

    const { scope } = tokensIn(await test.refresh(refreshToken, { scope: 'read:notes profile:*' }));

    expect(scope).toBe('read:notes profile:*');
  });

  it.each([
    ['another scope', 'admin'],
    ['a wildcard', '*'],
    ['one scope too many', 'read:notes admin'],
    ['a shorter one', 'read'],
    ['a longer one', 'read:notes:all'],
    ['two spaces', 'read:notes  read:notes'],
    ['a space first', ' read:notes'],
    ['a comma', 'read:notes,admin'],
    ['upper case', 'READ:NOTES'],
    ['a quote', 'read:notes"'],
    ['a NUL', 'read:notes\0'],
    ['an inherited property', 'constructor'],
  ])('never widens: %s is an invalid_scope, and consumes nothing (RFC 6749 section 5.2)', async (_what, scope) => {
    const { refreshToken } = await test.signIn('read:notes');

    const refused = await test.refresh(refreshToken, { scope });
    const afterwards = await test.refresh(refreshToken);

    expect([refused.status, refused.body]).toEqual([
      400,
      { error: 'invalid_scope', error_description: expect.any(String) },
    ]);
    expect(tokensIn(afterwards).scope).toBe('read:notes');
  });
});
