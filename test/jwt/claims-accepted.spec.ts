import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { CurrentPrincipal, type JwtCheck, type Principal } from 'nestjs-sigra';
import { ADAPTERS } from '../support/test-app.js';
import {
  type ForgeKey,
  type GoodToken,
  resign,
  resignToLength,
  seal,
  segments,
  signWithJose,
  standardClaims,
} from '../support/jwt-forge.js';
import { HOSTILE_APP, KEYS } from '../support/hostile-jwt.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

@Controller('sign-in')
class SignInController {
  @Get()
  get(@CurrentPrincipal() { familyId }: Principal) {
    return { familyId };
  }
}

const { keys } = HOSTILE_APP.sigra.jwt;
const signs = (key: ForgeKey, test: JwtApp) => signWithJose(key, standardClaims(test.user.id, test.clock.now()));

describe.each(ADAPTERS)('An access token that other software has issued, on %s', (adapter) => {
  afterEach(closeJwtApps);

  it.each<[JwtCheck, ForgeKey]>([
    ['stateless', KEYS.rsa],
    ['stateless', KEYS.ec],
    ['epoch', KEYS.rsa],
    ['epoch', KEYS.ec],
    ['epoch', KEYS.secret],
  ])('is accepted by check %s in the form of RFC 9068 section 2, without sid and epoch: %j', async (check, key) => {
    const test = await startJwtApp({ keys, check }, { adapter });
    const good = await signs(key, test);

    const answer = await test.present(good.jwt, '/notes');
    const claims = await test.jwt.verifyAccess(good.jwt);

    expect(answer.status).toBe(200);
    expect(claims).toEqual(good.payload);
  });

  it('is refused by check family, which needs the family, because of its missing sid', async () => {
    const test = await startJwtApp({ keys, check: 'family' }, { adapter });
    const good = await signs(KEYS.rsa, test);
    const own = await test.jwt.generateTokens(test.user, ['read:notes']);

    const foreign = await test.present(good.jwt, '/notes');
    const ours = await test.present(own.accessToken, '/notes');
    const reasons = await Promise.all(
      [good.jwt, resign(good, { payload: { sid: 'S1' } }), resign(good, { payload: { sid: '' } })].map((jwt) =>
        reasonOf(test.jwt.verifyAccess(jwt)),
      ),
    );

    expect([foreign.status, ours.status]).toEqual([401, 200]);
    expect(reasons.map(({ message }) => message)).toEqual([
      'sid is not the id of a family.',
      'sid is not the id of a family.',
      'sid is not a valid string.',
    ]);
  });
});

describe('An unusual access token', () => {
  let test: JwtApp;
  let good: GoodToken;

  beforeAll(async () => {
    test = await startJwtApp({ keys }, { controllers: [SignInController] });
    good = await signs(KEYS.rsa, test);
  });
  afterAll(() => test.close());

  const accepts = async (jwt: string) => {
    expect((await test.present(jwt)).status).toBe(200);
    return test.jwt.verifyAccess(jwt);
  };
  const now = () => Math.floor(test.clock.now().getTime() / 1000);

  it.each(['AT+JWT', 'At+Jwt', 'application/at+jwt', 'APPLICATION/AT+JWT'])(
    'is accepted with typ %s (RFC 7515 section 4.1.9, RFC 9068 section 4)',
    async (typ) => {
      const claims = await accepts(resign(good, { header: { typ } }));

      expect(claims).toEqual(good.payload);
    },
  );

  it('is accepted with unknown parameters and claims (RFC 7515 section 4.2, RFC 7519 section 4)', async () => {
    const claims = await accepts(
      resign(good, { header: { cty: 'x', zip: 'none' }, payload: { 'https://x.example/y': [1], constructor: 'c' } }),
    );

    expect(claims['https://x.example/y']).toEqual([1]);
  });

  it('is accepted with several audiences that include ours (RFC 7519 section 4.1.3)', async () => {
    const claims = await accepts(resign(good, { payload: { aud: ['billing', 'api'] } }));

    expect(claims.aud).toEqual(['billing', 'api']);
  });

  it('is accepted with fractional times (RFC 7519 section 2, NumericDate)', async () => {
    const times = { iat: now() - 0.5, nbf: now() - 0.25, exp: now() + 60.75 };

    const claims = await accepts(resign(good, { payload: times }));

    expect(claims).toMatchObject(times);
  });

  it('is accepted from the time of its nbf', async () => {
    await accepts(resign(good, { payload: { nbf: now() } }));
  });

  it.each([undefined, ''])('is accepted with the scope %j, and has no permissions', async (scope) => {
    const jwt = resign(good, { payload: { scope } });

    const me = await test.present(jwt);
    const notes = await test.present(jwt, '/notes');

    expect(await me.json()).toMatchObject({ userId: test.user.id, scopes: [] });
    expect(notes.status).toBe(403);
  });

  it('is accepted at exactly 8192 characters, with deeply nested JSON', async () => {
    const deep = '['.repeat(2500) + ']'.repeat(2500);
    const jwt = resignToLength(good, 8192, { deep: JSON.parse(deep) as unknown });

    const claims = await accepts(jwt);

    expect(JSON.stringify(claims.deep)).toBe(deep);
  });

  it('is recognized by its first characters, eyJ, which begin every header without leading spaces', async () => {
    const [header, payload] = [JSON.stringify(good.header), JSON.stringify(good.payload)];
    const spacesInside = seal(header.replaceAll(':', ' : '), payload, good.key);
    const spacesFirst = seal(header.replace('{', '{ '), payload, good.key);

    const answers = [await test.present(spacesInside), await test.present(spacesFirst)];

    expect(answers.map(({ status }) => status)).toEqual([200, 401]);
    expect(await test.jwt.verifyAccess(spacesFirst)).toEqual(good.payload);
  });

  it('is accepted with the other s of an ES256 signature, which RFC 7518 section 3.4 allows', async () => {
    // Two signatures are valid for one token, so the text of a token must not identify it.
    const { jwt } = await signs(KEYS.ec, test);

    const claims = await accepts(withOtherS(jwt));

    expect(withOtherS(jwt)).not.toBe(jwt);
    expect(claims.sub).toBe(test.user.id);
  });

  it('identifies the principal and its family', async () => {
    const sid = randomUUID();

    const jwt = resign(good, { payload: { sid, scope: 'read:notes write:notes' } });

    const me = await test.present(jwt);
    const signIns = [await test.present(jwt, '/sign-in'), await test.present(good.jwt, '/sign-in')];

    expect(await me.json()).toEqual({
      userId: test.user.id,
      method: 'jwt',
      scopes: ['read:notes', 'write:notes'],
      email: 'ada@example.com',
    });
    expect(await Promise.all(signIns.map((answer) => answer.json()))).toEqual([{ familyId: sid }, {}]);
  });
});

const ORDER_OF_P256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

function withOtherS(jwt: string): string {
  const signature = Buffer.from(segments(jwt)[2], 'base64url');
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`);
  signature.write((ORDER_OF_P256 - s).toString(16).padStart(64, '0'), 32, 'hex');
  return `${jwt.slice(0, jwt.lastIndexOf('.'))}.${signature.toString('base64url')}`;
}
