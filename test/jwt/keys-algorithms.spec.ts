import { createPublicKey } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { ADAPTERS } from '../support/test-app.js';
import { keyOf, secretKey } from '../support/jwt-forge.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';

afterEach(closeJwtApps);

const RFC_9068 = { issuer: 'https://issuer.example', audience: 'api', typ: 'at+jwt' };
const ALGORITHMS = ['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;
const KEYS = [...ALGORITHMS.map((alg) => keyOf(alg, `${alg}-1`)), secretKey('secret-1')];

const sign = async ({ jwt, user }: JwtApp) => (await jwt.generateTokens(user, ['read:notes'])).accessToken;

describe.each(KEYS)('Access tokens signed with $alg', ({ kid, alg, signs, option }) => {
  it.each(ADAPTERS)('are accepted by the application itself on %s', async (adapter) => {
    const test = await startJwtApp({ keys: [option] }, { adapter });

    const answer = await test.present(await sign(test));

    expect(answer.status).toBe(200);
  });

  it('conform to RFC 9068 section 2, also for other software', async () => {
    const test = await startJwtApp({ keys: [option], clientId: 'web' });
    const jwt = await sign(test);

    const { protectedHeader, payload } = await jwtVerify(jwt, alg === 'HS256' ? signs : createPublicKey(signs), {
      ...RFC_9068,
      algorithms: [alg],
      currentDate: test.clock.now(),
      requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
    });

    expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid });
    expect(payload).toEqual({
      iss: 'https://issuer.example',
      sub: test.user.id,
      aud: 'api',
      client_id: 'web',
      iat: Math.floor(test.clock.now().getTime() / 1000),
      exp: Math.floor(test.clock.now().getTime() / 1000) + 900,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      scope: 'read:notes',
      epoch: 0,
      sid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('each have their own jti and the sid of their family', async () => {
    const test = await startJwtApp({ keys: [option] });
    const pairs = [
      await test.jwt.generateTokens(test.user, ['read:notes']),
      await test.jwt.generateTokens(test.user, ['read:notes']),
    ];
    pairs.push(await test.jwt.refresh(pairs[0]!.refreshToken));

    const claims = await Promise.all(pairs.map(({ accessToken }) => test.jwt.verifyAccess(accessToken)));

    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3);
    expect(claims[2]!.sid).toBe(claims[0]!.sid);
    expect(claims[1]!.sid).not.toBe(claims[0]!.sid);
  });
});

describe('A key ring of all algorithms', () => {
  const published = (test: JwtApp) =>
    fetch(`${test.url}/.well-known/jwks.json`).then((answer) => answer.json() as Promise<JSONWebKeySet>);

  it.each(KEYS)('signs with the one key that has sign: true, here $alg, and verifies with all', async (signer) => {
    const own = await startJwtApp({
      keys: KEYS.map(({ option }) => ({ ...option, sign: option.kid === signer.kid })),
    });
    const jwt = await sign(own);

    const answers: number[] = [];
    for (const other of KEYS) {
      const node = await startJwtApp(
        { keys: KEYS.map(({ option }) => ({ ...option, sign: option.kid === other.kid })) },
        { databaseUrl: own.databaseUrl, clock: own.clock },
      );
      answers.push((await node.present(jwt)).status);
    }

    expect(answers).toEqual(KEYS.map(() => 200));
  });

  it.each(KEYS.filter(({ alg }) => alg !== 'HS256'))(
    'publishes the key that others need to verify $alg (RFC 7517 section 5)',
    async ({ option }) => {
      const test = await startJwtApp({ keys: [option] }, { sigra: { controllers: { jwks: '.well-known' } } });
      const jwt = await sign(test);

      const { payload } = await jwtVerify(jwt, createLocalJWKSet(await published(test)), {
        ...RFC_9068,
        currentDate: test.clock.now(),
      });

      expect(payload.sub).toBe(test.user.id);
    },
  );
});
