import { createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BearerAuthGuard, CurrentPrincipal, type Principal, SigraJwtService } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { FakeClock } from 'nestjs-sigra/testing';
import { answerOf, insufficientScope, INVALID_TOKEN } from '../support/answers.js';
import { ForeignIssuer, issuerKey, type TokenChanges } from '../support/foreign-issuer.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

@Controller('bearer')
@UseGuards(BearerAuthGuard)
class BearerController {
  @Get()
  me(@CurrentPrincipal() { userId, method, scopes, issuer, tokenId, familyId }: Principal) {
    return { userId, method, scopes, issuer, tokenId, familyId };
  }
}

@Controller('passport')
@UseGuards(AuthGuard('bearer'))
class PassportController {
  @Get()
  me(@CurrentPrincipal() { userId, method, issuer }: Principal) {
    return { userId, method, issuer };
  }
}

const EXTENSION = 'https://example.com/x';

describe.each(ADAPTERS)('Tokens of a trusted issuer, on %s', (adapter) => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  let other: ForeignIssuer;
  let stranger: ForeignIssuer;
  let test: TestApp;

  beforeAll(async () => {
    const now = () => clock.now();
    [issuer, other, stranger] = [
      await ForeignIssuer.start(now),
      await ForeignIssuer.start(now),
      await ForeignIssuer.start(now),
    ];
    test = await startTestApp({
      adapter,
      clock,
      controllers: [BearerController, PassportController],
      sigra: {
        jwt: JWT,
        trustedIssuers: trustIssuers([issuer.options(), other.options()]),
      },
    });
  });
  afterAll(async () => {
    await test.close();
    for (const each of [issuer, other, stranger]) await each.close();
  });

  const ask = async (token: string, path = '/notes') =>
    answerOf(await fetch(test.url + path, { headers: { authorization: `Bearer ${token}` } }));
  const askWith = async (changes: TokenChanges) => ask(await issuer.sign(test.user.id, changes));
  /** Why a token is refused, which the answer does not tell. */
  const askForReason = async (token: string) => {
    const reasons: string[] = [];
    const note = (message: unknown) => reasons.push((message as { error: Error }).error.message);
    subscribe('tracing:sigra:jwt:verify:error', note);
    const answer = await ask(token).finally(() => unsubscribe('tracing:sigra:jwt:verify:error', note));
    expect(answer).toEqual(INVALID_TOKEN);
    expect(reasons).toHaveLength(1);
    return reasons[0];
  };
  const seconds = (offset: number) => Math.floor(clock.now().getTime() / 1000) + offset;

  it('are accepted by every guard', async () => {
    const token = await issuer.sign(test.user.id);

    expect((await ask(token)).status).toBe(200);
    expect((await ask(token, '/bearer')).body).toEqual({
      userId: test.user.id,
      method: 'jwt',
      scopes: ['read:notes'],
      issuer: issuer.url,
    });
    expect((await ask(token, '/passport')).body).toEqual({ userId: test.user.id, method: 'jwt', issuer: issuer.url });
  });

  it('stand beside tokens of the application itself', async () => {
    const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    expect((await ask(accessToken)).status).toBe(200);
    expect((await ask(rawToken)).status).toBe(200);
    expect((await ask(await other.sign(test.user.id))).status).toBe(200);
  });

  it('have only the scopes of the application', async () => {
    const scope = 'openid offline_access User.Read write:notes admin:everything * read:*';
    const token = await issuer.sign(test.user.id, { claims: { scope } });

    expect((await ask(token, '/bearer')).body).toMatchObject({ scopes: ['write:notes'] });
    expect(await ask(token)).toEqual(insufficientScope(['read:notes'], ['read:notes']));
  });

  it.each<[string, () => TokenChanges | Promise<TokenChanges>]>([
    ['with an audience among others', () => ({ claims: { aud: ['https://other.example', 'https://api.example'] } })],
    ['of the type JWT', () => ({ header: { typ: 'JWT' } })],
    ['with the full media type', () => ({ header: { typ: 'application/AT+JWT' } })],
    ['without a type', () => ({ header: { typ: undefined } })],
    ['with a key in the header, which is ignored', async () => ({ header: { jwk: (await issuerKey('key-1')).jwk } })],
    ['that have just expired, within the tolerance', () => ({ claims: { exp: seconds(-3) } })],
    ['with the claims of Microsoft Entra', () => ({ claims: { nbf: seconds(0), ver: '2.0', scp: 'read' } })],
  ])('are accepted %s', async (_what, changes) => {
    expect((await askWith(await changes())).status).toBe(200);
  });

  it.each<[string, RegExp, () => TokenChanges | Promise<TokenChanges>]>([
    ['for another API', /"aud"/, () => ({ claims: { aud: 'https://other.example' } })],
    ['without an audience', /"aud"/, () => ({ claims: { aud: undefined } })],
    ['that have expired', /expired/, () => ({ claims: { exp: seconds(-6) } })],
    ['that never expire', /"exp"/, () => ({ claims: { exp: undefined } })],
    ['with an invalid time as expiry', /exp or iat/, () => ({ claims: { exp: 1e300 } })],
    ['that are not valid yet', /"nbf"/, () => ({ claims: { nbf: seconds(60) } })],
    ['without the time of issue', /"iat"/, () => ({ claims: { iat: undefined } })],
    ['that were issued in the future', /iat is in the future/, () => ({ claims: { iat: seconds(60) } })],
    ['that are bound to a key', /bound to a key/, () => ({ claims: { cnf: { jkt: 'x' } } })],
    ['with critical extensions', /critical/, () => ({ header: { crit: [EXTENSION], [EXTENSION]: 1 } })],
    ['of another type', /typ/, () => ({ header: { typ: 'dpop+jwt' } })],
    ['that are ID tokens', /ID token/, () => ({ claims: { nonce: 'n' } })],
    ['that are logout tokens', /logout/, () => ({ claims: { events: {} } })],
    ['that the key of another issuer has signed', /signature/, () => ({ key: other.keys[0]! })],
    ['that another key of the same name has signed', /signature/, async () => ({ key: await issuerKey('key-1') })],
    ['with an algorithm of their choice', /"alg"/, async () => ({ key: await issuerKey('key-1', 'ES384') })],
    ['of a user that does not exist', /user/, () => ({ claims: { sub: randomUUID() } })],
    ['of a subject that is not an id', /user/, () => ({ claims: { sub: 'auth0|ada' } })],
    ['without a subject', /no user/, () => ({ claims: { sub: undefined } })],
    // The application verifies these itself.
    ['of an issuer that is not trusted', /kid/, () => ({ claims: { iss: stranger.url }, key: stranger.keys[0]! })],
    ['of the application, signed by the issuer', /kid/, () => ({ claims: { iss: JWT.issuer } })],
    ['without an issuer', /kid/, () => ({ claims: { iss: undefined } })],
  ])('are refused %s', async (_what, reason, changes) => {
    expect((await ask(await issuer.sign(test.user.id))).status).toBe(200);
    expect(await askForReason(await issuer.sign(test.user.id, await changes()))).toMatch(reason);
  });

  it.each<[string, RegExp, (header: object, payload: object) => string]>([
    ['unsigned', /malformed/, (_header, payload) => `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(payload)}.`],
    [
      'with something for a signature',
      /"alg"/,
      (_header, payload) => `${encode({ alg: 'none' })}.${encode(payload)}.AA`,
    ],
    ['signed with the public key as a secret', /"alg"/, (header, payload) => signedWithPublicKey(header, payload)],
    [
      'too long',
      /malformed/,
      (header, payload) => `${encode({ ...header, x: 'x'.repeat(6200) })}.${encode(payload)}.AA`,
    ],
    ['without a payload', /typ|kid/, (header) => `${encode(header)}.${encode([])}.AA`],
    ['encrypted', /malformed/, (header) => `${encode({ ...header, enc: 'A128GCM' })}.AA.AA.AA.AA`],
  ])('are refused %s', async (_what, reason, forge) => {
    const [header, payload] = (await issuer.sign(test.user.id)).split('.', 2).map(decode);

    expect(await askForReason(forge(header!, payload!))).toMatch(reason);
  });

  const signedWithPublicKey = (header: object, payload: object) => {
    const { jwk } = issuer.keys[0]!;
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const input = `${encode({ ...header, alg: 'HS256' })}.${encode(payload)}`;
    return `${input}.${createHmac('sha256', publicKey).update(input).digest('base64url')}`;
  };

  it('are refused with a claim twice', async () => {
    const [header = '', payload = '', signature = ''] = (await issuer.sign(test.user.id)).split('.');
    const text = Buffer.from(payload, 'base64url').toString().replace('{', `{"iss":"${other.url}",`);

    await askForReason(`${header}.${Buffer.from(text).toString('base64url')}.${signature}`);
  });

  it('are refused once the user is not active', async () => {
    const user = await test.addUser('grace@example.com');
    const token = await issuer.sign(user.id);
    expect((await ask(token)).status).toBe(200);

    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);

    expect(await ask(token)).toEqual(INVALID_TOKEN);
  });
});

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function decode(part: string): object {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as object;
}
