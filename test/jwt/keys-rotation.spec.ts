import { createPublicKey } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import type { JwtKeyOptions } from 'nestjs-sigra';
import { ecKey, type ForgeKey, rsaKey, secretKey } from '../support/jwt-forge.js';
import { closeJwtApps, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

/** The options of a key that a node does not sign with. */
function verifyOnly({ kid, alg, signs, option }: ForgeKey): JwtKeyOptions {
  return alg === 'HS256' ? { ...option, sign: false } : { kid, publicKey: createPublicKey(signs) };
}

const ROTATIONS = [
  { from: rsaKey('rsa-1'), to: rsaKey('rsa-2') },
  { from: ecKey('ec-1'), to: ecKey('ec-2') },
  { from: secretKey('secret-1'), to: secretKey('secret-2') },
  { from: secretKey('secret-1'), to: rsaKey('rsa-2') },
  { from: rsaKey('rsa-1'), to: ecKey('ec-2') },
];
const NAMED = ROTATIONS.map(({ from, to }) => ({ from, to, name: `${from.alg} to ${to.alg}` }));

describe.each(NAMED)('Rotation of keys without downtime, from $name, on two nodes', ({ from, to }) => {
  let first: JwtApp;
  let second: JwtApp;
  const tokens: Record<string, string> = {};

  const STAGES = {
    old: [from.option],
    announced: [{ ...from.option, sign: true }, verifyOnly(to)],
    switched: [verifyOnly(from), { ...to.option, sign: true }],
    retired: [to.option],
  } satisfies Record<string, JwtKeyOptions[]>;

  /** Restarts a node with other keys on the same database. */
  const restart = async (node: JwtApp, stage: keyof typeof STAGES) => {
    await node.close();
    return startNode(stage);
  };
  let home: JwtApp;
  const startNode = (stage: keyof typeof STAGES) =>
    startJwtApp(
      { keys: STAGES[stage] },
      { databaseUrl: home.databaseUrl, clock: home.clock, sigra: { controllers: { jwks: 'keys' } } },
    );
  const sign = async (node: JwtApp) => (await node.jwt.generateTokens(node.user, ['read:notes'])).accessToken;
  const statuses = (node: JwtApp, ...jwts: string[]) =>
    Promise.all(jwts.map(async (jwt) => (await node.present(jwt)).status));

  beforeAll(async () => {
    home = await startJwtApp();
    first = await startNode('old');
    second = await startNode('old');
    tokens.old = await sign(first);
  });
  afterAll(closeJwtApps);

  it('begins with the announcement of the new key, which does not sign yet, and refuses no token', async () => {
    first = await restart(first, 'announced');
    tokens.announced = await sign(first);

    expect(decodeProtectedHeader(tokens.announced).kid).toBe(from.kid);
    expect(await statuses(first, tokens.old!, tokens.announced)).toEqual([200, 200]);
    expect(await statuses(second, tokens.old!, tokens.announced)).toEqual([200, 200]);
  });

  it('continues with the new signer on one node, whose tokens the other node accepts', async () => {
    second = await restart(second, 'announced');
    first = await restart(first, 'switched');
    tokens.new = await sign(first);
    tokens.late = await sign(second);

    expect([tokens.new, tokens.late].map((jwt) => decodeProtectedHeader(jwt).kid)).toEqual([to.kid, from.kid]);
    expect(await statuses(first, tokens.old!, tokens.new, tokens.late)).toEqual([200, 200, 200]);
    expect(await statuses(second, tokens.old!, tokens.new, tokens.late)).toEqual([200, 200, 200]);
  });

  it('publishes both public keys, so that others can verify all tokens (RFC 7517 section 5)', async () => {
    const set = (await (await fetch(`${first.url}/keys/jwks.json`)).json()) as JSONWebKeySet;
    const publishable = [from, to].filter(({ alg }) => alg !== 'HS256');

    const verified = await Promise.all(
      [tokens.old!, tokens.new!]
        .filter((jwt) => !decodeProtectedHeader(jwt).alg!.startsWith('HS'))
        .map((jwt) => jwtVerify(jwt, createLocalJWKSet(set), { currentDate: home.clock.now() })),
    );

    expect(set.keys.map(({ kid }) => kid)).toEqual(publishable.map(({ kid }) => kid));
    expect(verified).toHaveLength(publishable.length);
  });

  it('ends with the removal of the old key: its tokens are refused, those of the new key stay valid', async () => {
    second = await restart(second, 'switched');
    first = await restart(first, 'retired');

    expect(await statuses(second, tokens.old!, tokens.new!)).toEqual([200, 200]);
    expect(await statuses(first, tokens.old!, tokens.new!)).toEqual([401, 200]);
    expect(await reasonOf(first.jwt.verifyAccess(tokens.old!))).toEqual({
      code: 'invalid_token',
      message: 'kid is unknown.',
    });
  });

  it('never ends a family, because refresh tokens are not signed', async () => {
    const { refreshToken } = await home.jwt.generateTokens(home.user, ['read:notes']);

    const refreshed = await first.jwt.refresh(refreshToken);

    expect(await statuses(first, refreshed.accessToken)).toEqual([200]);
  });
});

describe('A single jwt.secret', () => {
  afterEach(closeJwtApps);

  it('has the same kid on every node, which does not reveal it, and another kid when it changes', async () => {
    const home = await startJwtApp();
    const kidOn = async (secret: string) => {
      const node = await startJwtApp({ secret }, { databaseUrl: home.databaseUrl, clock: home.clock });
      const { accessToken } = await node.jwt.generateTokens(node.user, ['read:notes']);
      return decodeProtectedHeader(accessToken).kid!;
    };

    const [own, same, changed] = [await kidOn(JWT.secret), await kidOn(JWT.secret), await kidOn(`${JWT.secret}!`)];

    expect(same).toBe(own);
    expect(changed).not.toBe(own);
    expect(own).toMatch(/^[\w-]{16}$/);
  });

  it('can be rotated as one of jwt.keys, under the kid of its tokens', async () => {
    const home = await startJwtApp();
    const { accessToken } = await home.jwt.generateTokens(home.user, ['read:notes']);
    const kid = decodeProtectedHeader(accessToken).kid!;

    const next = await startJwtApp(
      { keys: [{ kid, secret: JWT.secret, sign: false }, secretKey('secret-2').option] },
      { databaseUrl: home.databaseUrl, clock: home.clock },
    );
    const answer = await next.present(accessToken);

    expect(answer.status).toBe(200);
  });
});
