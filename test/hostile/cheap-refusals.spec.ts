import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { unknownToken } from '../support/unknown-token.js';

const SCOPES = ['read:notes'];

const encode = (text: string) => Buffer.from(text).toString('base64url');

/** Clients can provoke refusals at will, so a refusal must not cost a stack trace. */
describe('A refusal that any client can provoke has no stack trace', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family' });
  });
  afterAll(() => test.close());

  const signIn = () => test.jwt.generateTokens(test.user, SCOPES);
  const issue = () => test.tokens.create(test.user, { name: 'CI', scopes: SCOPES });

  it.each<[string, string, () => Promise<unknown>]>([
    ['invalid_token', 'a malformed API token', () => test.tokens.verify('sigra_sk_no')],
    ['invalid_token', 'an unknown API token', () => test.tokens.verify(unknownToken())],
    [
      'token_revoked',
      'a revoked API token',
      async () => {
        const { rawToken, token } = await issue();
        await test.tokens.revoke(token.id);
        return test.tokens.verify(rawToken);
      },
    ],
    [
      'token_expired',
      'an expired API token',
      async () => {
        const expiresAt = new Date(test.clock.now().getTime() + 1000);
        const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: SCOPES, expiresAt });
        test.clock.advance({ seconds: 1 });
        return test.tokens.verify(rawToken);
      },
    ],
    ['invalid_token', 'a JWT without payload and signature', () => test.jwt.verifyAccess('eyJ')],
    ['invalid_token', 'a JWT whose header is not JSON', () => test.jwt.verifyAccess(`${encode('{"a')}.e30.c2ln`)],
    ['invalid_token', 'a JWT with another signature', async () => test.jwt.verifyAccess(forge(await signIn()))],
    [
      'epoch_mismatch',
      'a JWT of a user who has signed out everywhere',
      async () => {
        const { accessToken } = await signIn();
        await test.jwt.signOutEverywhere(test.user);
        return test.jwt.verifyAccess(accessToken);
      },
    ],
    [
      'token_revoked',
      'a JWT of a revoked family',
      async () => {
        const { accessToken, refreshToken } = await signIn();
        await test.jwt.revokeRefresh(refreshToken);
        return test.jwt.verifyAccess(accessToken);
      },
    ],
    [
      'token_expired',
      'an expired JWT',
      async () => {
        const { accessToken } = await signIn();
        test.clock.advance({ seconds: 86_400 });
        return test.jwt.verifyAccess(accessToken);
      },
    ],
    ['invalid_token', 'a malformed refresh token', () => test.jwt.refresh('sigra_rt_no')],
    [
      'token_revoked',
      'a refresh token of a revoked family',
      async () => {
        const { refreshToken } = await signIn();
        await test.jwt.revokeRefresh(refreshToken);
        return test.jwt.refresh(refreshToken);
      },
    ],
    [
      'reuse_detected',
      'a refresh token that was used before',
      async () => {
        const { refreshToken } = await signIn();
        await test.jwt.refresh(refreshToken);
        return test.jwt.refresh(refreshToken);
      },
    ],
  ])('%s: %s', async (code, _what, present) => {
    const error = await present().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );

    expect(error).toMatchObject({ code });
    expect(error?.stack).not.toContain('\n');
    expect(error?.cause).toBeUndefined();
  });

  it('nor has the error of JSON.parse behind the refusal of a JWT', async () => {
    const { parse } = JSON;
    const limits: number[] = [];
    const parsing = jest.spyOn(JSON, 'parse').mockImplementation((text) => {
      limits.push(Error.stackTraceLimit);
      return parse(text) as unknown;
    });

    await test.jwt.verifyAccess(`${encode('{"a')}.e30.c2ln`).catch(() => undefined);
    parsing.mockRestore();

    expect(limits).toEqual([0]);
  });
});

/** The same token with another payload. */
function forge({ accessToken }: { accessToken: string }): string {
  const [header, , signature] = accessToken.split('.');
  return [header, encode('{"sub":"admin"}'), signature].join('.');
}
