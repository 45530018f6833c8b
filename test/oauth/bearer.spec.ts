import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { answerOf, insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

describe.each(ADAPTERS)('A JWT as a bearer credential on %s (RFC 6750 section 3)', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family' }, { adapter });
  });
  afterAll(() => test.close());

  it('gets the same answer whether it is expired, revoked, signed out or forged (section 3.1)', async () => {
    const user = await test.addUser('careful@example.com');
    const [expired, revoked, forged] = [await test.signIn(), await test.signIn(), await test.signIn()];
    const signedOut = await test.jwt.generateTokens(user, ['read:notes']);
    await test.jwt.revokeRefresh(revoked.refreshToken);
    await test.jwt.signOutEverywhere(user);

    const answers = [
      await answerOf(await test.present(revoked.accessToken)),
      await answerOf(await test.present(signedOut.accessToken)),
      await answerOf(await test.present(`${forged.accessToken.slice(0, -8)}AAAAAAAA`)),
    ];
    test.clock.advance({ seconds: 900 });
    answers.push(await answerOf(await test.present(expired.accessToken)));

    expect(answers).toEqual([INVALID_TOKEN, INVALID_TOKEN, INVALID_TOKEN, INVALID_TOKEN]);
  });

  it('gets 403 when it lacks a scope, with the scopes that are needed (section 3.1)', async () => {
    const { accessToken } = await test.signIn('read:notes');

    const answer = await answerOf(
      await fetch(`${test.url}/notes`, { method: 'POST', headers: { authorization: `Bearer ${accessToken}` } }),
    );

    expect(answer).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('gets a challenge without an error code when it is missing (section 3.1)', async () => {
    expect(await answerOf(await fetch(`${test.url}/notes/me`))).toEqual(UNAUTHORIZED);
  });

  it('is refused when it is invalid, even beside a valid session (section 2: one method per request)', async () => {
    const { accessToken } = await test.signIn();

    const answer = await fetch(`${test.url}/notes/me`, {
      headers: { authorization: `Bearer ${accessToken}x`, 'x-session-user': test.user.id },
    });

    expect(await answerOf(answer)).toEqual(INVALID_TOKEN);
  });

  it('manages API tokens only with the scope for it, and grants no more than it holds', async () => {
    const [unable, able] = [await test.signIn('read:notes'), await test.signIn('api_tokens:write', 'read:notes')];
    const create = (accessToken: string, scopes: string[]) =>
      fetch(`${test.url}/api/tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'CI', scopes }),
      });

    const answers = [
      await create(unable.accessToken, ['read:notes']),
      await create(able.accessToken, ['admin']),
      await create(able.accessToken, ['read:notes']),
    ];

    expect(answers.map(({ status }) => status)).toEqual([403, 403, 201]);
  });
});
