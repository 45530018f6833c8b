import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { JwtKeyOptions, JwtSigner } from 'nestjs-sigra';
import { everyRow } from '../support/family-rows.js';
import { claimsOf, closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { keyOf } from '../support/jwt-forge.js';
import { refusalOf } from '../support/refusal.js';

const CONTROLLERS = { controllers: { jwks: '.well-known', oauth: 'oauth' } };
const [ES256, ES384, RS256, EDDSA, OTHER] = [
  keyOf('ES256', 'kms'),
  keyOf('ES384', 'kms'),
  keyOf('RS256', 'kms'),
  keyOf('EdDSA', 'kms'),
  keyOf('ES256', 'other'),
];

/**
 * A service that has the private key and signs elsewhere. Like those of cloud providers, it answers in DER for elliptic
 * curves.
 */
function service(key: KeyObject, hash: string | undefined, dsaEncoding: 'der' | 'ieee-p1363' = 'der') {
  const calls: Buffer[] = [];
  const answer: JwtSigner = async (input) => {
    calls.push(input);
    await pause(1);
    return sign(hash, input, { key, dsaEncoding });
  };
  return { calls, answer };
}

const keyWith = ({ signs }: { signs: KeyObject | Buffer }, answer: JwtSigner): JwtKeyOptions => ({
  kid: 'kms',
  publicKey: createPublicKey(signs),
  sign: answer,
});

afterEach(closeJwtApps);

describe('A signer of the application', () => {
  it.each([
    ['ES256 in DER', ES256, 'sha256', 'der'],
    ['ES256 in the form of JWS', ES256, 'sha256', 'ieee-p1363'],
    ['ES384 in DER', ES384, 'sha384', 'der'],
    ['RS256', RS256, 'sha256', 'der'],
    ['EdDSA', EDDSA, undefined, 'der'],
  ] as const)('signs all access tokens: %s', async (_what, key, hash, encoding) => {
    const { calls, answer } = service(key.signs as KeyObject, hash, encoding);
    const test = await startJwtApp({ keys: [keyWith(key, answer)] }, { sigra: CONTROLLERS });
    const jwks = createLocalJWKSet((await (await fetch(`${test.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet);

    const first = await test.jwt.generateTokens(test.user, ['read:notes']);
    const second = await test.jwt.refresh(first.refreshToken);

    for (const { accessToken } of [first, second]) {
      const { protectedHeader } = await jwtVerify(accessToken, jwks, { currentDate: test.clock.now() });
      expect(protectedHeader).toEqual({ alg: key.alg, typ: 'at+jwt', kid: 'kms' });
      expect((await test.present(accessToken)).status).toBe(200);
    }
    expect(calls.map(String)).toEqual([first, second].map(({ accessToken }) => accessToken.split('.', 2).join('.')));
  });

  it('can return integers that begin with zeros, in DER, every time', async () => {
    const { answer } = service(ES256.signs as KeyObject, 'sha256');
    const test = await startJwtApp({ keys: [keyWith(ES256, answer)] });

    // One in 128 signatures has a short integer.
    for (let round = 0; round < 300; round++) {
      const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
      expect(await test.jwt.verifyAccess(accessToken)).toMatchObject({ sub: test.user.id });
    }
  }, 120_000);

  it('that fails makes the token endpoint unavailable, and consumes nothing', async () => {
    let isDown = false;
    const { answer } = service(ES256.signs as KeyObject, 'sha256');
    const flaky: JwtSigner = (input) => (isDown ? Promise.reject(new Error('secret detail')) : answer(input));
    const test = await startJwtApp({ keys: [keyWith(ES256, flaky)] }, { sigra: CONTROLLERS });
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    isDown = true;
    const before = await everyRow(test.dataSource);

    const refused = await fetch(`${test.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    });
    const issue = await refusalOf(test.jwt.generateTokens(test.user, ['read:notes']));
    const text = await refused.text();
    const after = await everyRow(test.dataSource);
    isDown = false;
    const next = await test.jwt.refresh(refreshToken);

    expect([refused.status, refused.headers.get('retry-after'), issue]).toEqual([503, '1', 'unavailable']);
    expect(text).not.toContain('secret detail');
    expect(after).toEqual(before);
    expect(next.scope).toBe('read:notes');
  });

  it('that does not answer is given up after lookupTimeout, without a connection or a lock', async () => {
    let isSilent = false;
    const { answer } = service(ES256.signs as KeyObject, 'sha256');
    const silent: JwtSigner = (input) => (isSilent ? new Promise(() => undefined) : answer(input));
    const test = await startJwtApp(
      { keys: [keyWith(ES256, silent)] },
      { poolSize: 2, sigra: { ...CONTROLLERS, lookupTimeout: 1500 } },
    );
    const { accessToken, refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    isSilent = true;

    const waiting = Promise.all(Array.from({ length: 6 }, () => refusalOf(test.jwt.refresh(refreshToken))));
    const served = await test.present(accessToken);
    const refused = await waiting;
    isSilent = false;

    expect(served.status).toBe(200);
    expect(refused).toEqual(Array.from({ length: 6 }, () => 'unavailable'));
    expect((await test.jwt.refresh(refreshToken)).scope).toBe('read:notes');
  });

  it.each<[string, JwtSigner]>([
    ['another key', async (input) => sign('sha256', input, OTHER.signs)],
    ['other bytes', async () => sign('sha256', Buffer.from('x'), ES256.signs)],
    ['nothing', async () => Buffer.alloc(0)],
    ['malformed DER', async () => Buffer.from('3006020101020101', 'hex')],
    ['a truncated integer', async () => Buffer.from('304402', 'hex')],
  ])('with %s is a defect: no token is issued, and no refresh token consumed', async (_what, wrong) => {
    let answer: JwtSigner = service(ES256.signs as KeyObject, 'sha256').answer;
    const test = await startJwtApp({ keys: [keyWith(ES256, (input) => answer(input))] });
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const right = answer;
    answer = wrong;

    await expect(test.jwt.refresh(refreshToken)).rejects.toThrow('does not match publicKey');
    answer = right;

    expect((await test.jwt.refresh(refreshToken)).scope).toBe('read:notes');
  });

  it('signs a token that ends with what made it', async () => {
    const { answer } = service(ES256.signs as KeyObject, 'sha256');
    const test = await startJwtApp({ keys: [keyWith(ES256, answer)] }, { sigra: CONTROLLERS });
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'x', scopes: ['read:notes'], expiresAt });

    const response = await fetch(`${test.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken }),
    });
    const { access_token } = (await response.json()) as { access_token: string };

    expect(claimsOf(access_token).exp).toBe(Math.floor(expiresAt.getTime() / 1000));
  });
});
