import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { signWithJose, standardClaims } from '../support/jwt-forge.js';
import { HOSTILE_APP, KEYS } from '../support/hostile-jwt.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

describe('The lifetime of an access token', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ accessTtl: 600, refreshTtl: 3600, absoluteTtl: 3700 });
  });
  afterAll(() => test.close());

  it('is jwt.accessTtl in full seconds, from the application’s clock', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['read:notes']);

    const { iat, exp } = decodeJwt(pair.accessToken);

    expect(iat).toBe(Math.floor(test.clock.now().getTime() / 1000));
    expect(exp! - iat!).toBe(600);
    expect(pair.expiresIn).toBe(600);
  });

  it('ends at the second of exp, and not a millisecond before (RFC 7519 section 4.1.4)', async () => {
    const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const end = decodeJwt(accessToken).exp! * 1000;

    test.clock.set(new Date(end - 1));
    const before = await test.present(accessToken);
    test.clock.set(new Date(end));
    const after = await test.present(accessToken);

    expect([before.status, after.status]).toEqual([200, 401]);
    expect(await reasonOf(test.jwt.verifyAccess(accessToken))).toEqual({
      code: 'token_expired',
      message: 'The token has expired.',
    });
  });

  it('never exceeds the absolute end of the family', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes']);
    const start = test.clock.now().getTime();

    test.clock.advance({ seconds: 3590 });
    const second = await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ seconds: 109 });
    const last = await test.jwt.refresh(second.refreshToken);

    const end = Math.floor((start + 3_700_000) / 1000);
    expect([second, last].map(({ accessToken }) => decodeJwt(accessToken).exp)).toEqual([end, end]);
    expect(second.expiresIn).toBeLessThanOrEqual(111);
    expect(last.expiresIn).toBe(end - decodeJwt(last.accessToken).iat!);
  });
});

describe('jwt.clockTolerance', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ keys: HOSTILE_APP.sigra.jwt.keys, clockTolerance: 30 });
  });
  afterAll(() => test.close());

  /** The outcome for a token whose times differ from now by the given seconds. */
  const outcomeOf = async (times: { exp?: number; iat?: number; nbf?: number }) => {
    const claims = standardClaims(test.user.id, test.clock.now());
    const now = Number(claims.iat);
    const shifted = Object.fromEntries(Object.entries(times).map(([name, offset]) => [name, now + offset]));
    const { jwt } = await signWithJose(KEYS.ec, { ...claims, ...shifted });
    return test.jwt.verifyAccess(jwt).then(
      () => 'accepted',
      (error: unknown) => (error as { code: string }).code,
    );
  };

  it('accepts clock differences up to its value, in both directions, and no more', async () => {
    test.clock.set(new Date('2030-01-01T00:00:00.000Z'));
    const cases = [{ exp: -29 }, { nbf: 30 }, { exp: -30 }, { nbf: 31 }];

    const outcomes = await Promise.all(cases.map(outcomeOf));

    expect(outcomes).toEqual(['accepted', 'accepted', 'token_expired', 'invalid_token']);
  });

  it('is 5 seconds by default', async () => {
    const byDefault = await startJwtApp(
      { keys: HOSTILE_APP.sigra.jwt.keys, clockTolerance: undefined },
      { databaseUrl: test.databaseUrl, clock: test.clock },
    );
    const { accessToken } = await byDefault.jwt.generateTokens(test.user, ['read:notes']);
    test.clock.set(new Date((decodeJwt(accessToken).exp! + 5) * 1000 - 1));
    const before = await byDefault.present(accessToken);
    test.clock.advance({ milliseconds: 1 });
    const after = await byDefault.present(accessToken);
    await byDefault.close();

    expect([before.status, after.status]).toEqual([200, 401]);
  });

  it('does not limit iat: the token of a node whose clock is ahead is accepted (RFC 7519 section 4.1.6)', async () => {
    const cases = [{ iat: 1 }, { iat: 31 }, { iat: 3600, exp: 7200 }];

    const outcomes = await Promise.all(cases.map(outcomeOf));

    expect(outcomes).toEqual(['accepted', 'accepted', 'accepted']);
  });
});
