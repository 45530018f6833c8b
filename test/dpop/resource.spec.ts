import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenPair } from 'nestjs-sigra';
import { answerOf } from '../support/answers.js';
import { DpopClient, type ProofChanges } from '../support/dpop-client.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { sendRaw } from '../support/raw-http.js';
import { ADAPTERS } from '../support/test-app.js';

/** Where clients reach the application: a proxy could be in front of it. */
const BASE = 'https://api.example';
const ME = `${BASE}/notes/me`;
const ALGS = 'algs="ES256 ES384 EdDSA Ed25519 PS256 RS256 RS512"';

describe.each(ADAPTERS)('A request with a DPoP proof on %s (RFC 9449 section 7)', (adapter) => {
  let test: OAuthApp;
  let client: DpopClient;
  let pair: TokenPair;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family', dpop: { mode: 'optional', baseUrls: [BASE] } }, { adapter });
    client = new DpopClient(() => test.clock.now());
    const binding = { dpopThumbprint: client.thumbprint };
    pair = await test.jwt.generateTokens(test.user, ['read:notes', 'admin'], {}, binding);
  });
  afterAll(() => test.close());

  const ask = (headers: Record<string, string>, path = '/notes/me') => fetch(test.url + path, { headers });
  const present = (changes?: ProofChanges) => ask(client.headers('GET', ME, pair.accessToken, changes));
  const proofError = async (answer: Promise<Response>) => {
    const { status, challenge, body } = await answerOf(await answer);
    const { message } = body as { message: string };
    expect({ status, challenge, body }).toEqual({
      status: 401,
      challenge: `DPoP realm="api", error="invalid_dpop_proof", error_description="${message}", ${ALGS}`,
      body: { statusCode: 401, error: 'invalid_dpop_proof', message },
    });
    return message;
  };

  it('is authenticated with the key of its token, and a query does not count', async () => {
    const answer = await ask(client.headers('GET', ME, pair.accessToken), '/notes/me?page=2');

    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ method: 'jwt', userId: test.user.id });
    expect(pair.tokenType).toBe('DPoP');
  });

  it('has the scopes of its token, and no others', async () => {
    const url = `${BASE}/notes`;
    const headers = client.headers('POST', url, pair.accessToken);

    const answer = await answerOf(await fetch(`${test.url}/notes`, { method: 'POST', headers }));

    expect(answer.status).toBe(403);
    expect(answer.challenge).toContain('Bearer realm="api", error="insufficient_scope"');
    expect(answer.challenge).toContain('DPoP realm="api", error="insufficient_scope"');
  });

  it('is refused with the token as a bearer credential (section 7.2)', async () => {
    const { status, challenge, body } = await answerOf(await test.present(pair.accessToken));
    const withProof = await ask({
      authorization: `Bearer ${pair.accessToken}`,
      dpop: client.proof('GET', ME, pair.accessToken),
    });

    const description = 'error_description="The access token is invalid, revoked or expired."';
    expect({ status, challenge }).toEqual({
      status: 401,
      challenge: `Bearer realm="api", error="invalid_token", ${description}, DPoP realm="api", error="invalid_token", ${description}, ${ALGS}`,
    });
    expect(body).toMatchObject({ error: 'invalid_token' });
    expect(withProof.status).toBe(401);
  });

  it('is refused with a token that is not bound, and with an API token', async () => {
    const { accessToken } = await test.signIn();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin'] });

    const answers = await Promise.all(
      [accessToken, rawToken].map(async (token) => answerOf(await ask(client.headers('GET', ME, token)))),
    );

    expect(answers.map(({ status, body }) => [status, (body as { error: string }).error])).toEqual([
      [401, 'invalid_token'],
      [401, 'invalid_token'],
    ]);
    // As bearer credentials they are accepted.
    expect([(await test.present(accessToken)).status, (await test.present(rawToken)).status]).toEqual([200, 200]);
  });

  it('is refused with the key of another client', async () => {
    const thief = new DpopClient(() => test.clock.now());

    const answer = await answerOf(await ask(thief.headers('GET', ME, pair.accessToken)));

    expect([answer.status, (answer.body as { error: string }).error]).toEqual([401, 'invalid_token']);
  });

  it('accepts a proof once', async () => {
    const headers = client.headers('GET', ME, pair.accessToken);

    const first = await ask(headers);

    expect(first.status).toBe(200);
    expect(await proofError(ask(headers))).toBe('The proof was used before.');
  });

  it('accepts one of many requests with the same proof at the same time', async () => {
    const headers = client.headers('GET', ME, pair.accessToken);

    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(headers)));

    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(19).fill(401)]);
  });

  it('does not use up the proof of a request whose token is refused', async () => {
    const jti = randomUUID();
    const other = await test.jwt.generateTokens(test.user, ['admin'], {}, { dpopThumbprint: client.thumbprint });
    await test.jwt.revokeRefresh(other.refreshToken);
    await ask(client.headers('GET', ME, other.accessToken, { claims: { jti } }));

    expect((await present({ claims: { jti } })).status).toBe(200);
  });

  it('lives for proofTtl and the tolerance', async () => {
    const at = (offset: number) => present({ claims: { iat: test.clock.now().getTime() / 1000 + offset } });

    expect((await at(-59)).status).toBe(200);
    expect((await at(0)).status).toBe(200);
    expect(await proofError(at(-60))).toBe('iat is too long ago.');
    expect(await proofError(at(1))).toBe('iat is in the future.');
  });

  it.each<[string, () => ProofChanges, string]>([
    ['another method', () => ({ claims: { htm: 'POST' } }), 'htm is not the method of the request.'],
    ['the method in lower case', () => ({ claims: { htm: 'get' } }), 'htm is not the method of the request.'],
    ['another path', () => ({ claims: { htu: `${BASE}/notes` } }), 'htu is not the URL of the request.'],
    [
      'another host',
      () => ({ claims: { htu: 'https://evil.example/notes/me' } }),
      'htu is not the URL of the request.',
    ],
    [
      'another scheme',
      () => ({ claims: { htu: 'http://api.example/notes/me' } }),
      'htu is not the URL of the request.',
    ],
    ['a path only', () => ({ claims: { htu: '/notes/me' } }), 'htu is not the URL of the request.'],
    ['the hash of another token', () => ({ claims: { ath: 'x' } }), 'ath is not the hash of the access token.'],
    ['no hash of the token', () => ({ claims: { ath: undefined } }), 'ath is not the hash of the access token.'],
    ['no iat', () => ({ claims: { iat: undefined } }), 'iat is missing or not a valid timestamp.'],
    ['iat as a string', () => ({ claims: { iat: '1' } }), 'iat is missing or not a valid timestamp.'],
    ['no jti', () => ({ claims: { jti: undefined } }), 'jti is missing or not a valid string.'],
    ['an empty jti', () => ({ claims: { jti: '' } }), 'jti is missing or not a valid string.'],
    ['an exp that has passed', () => ({ claims: { exp: 1 } }), 'exp has passed.'],
    ['typ of an access token', () => ({ header: { typ: 'at+jwt' } }), 'typ is not dpop+jwt.'],
    ['no typ', () => ({ header: { typ: undefined } }), 'typ is not dpop+jwt.'],
    [
      'alg none',
      () => ({ header: { alg: 'none' } }),
      expect.stringMatching(/^alg is not one of /) as unknown as string,
    ],
    [
      'alg HS256',
      () => ({ header: { alg: 'HS256' } }),
      expect.stringMatching(/^alg is not one of /) as unknown as string,
    ],
    ['alg of another key', () => ({ header: { alg: 'ES384' } }), 'jwk does not fit alg.'],
    ['the private key', () => ({ header: { jwk: client.privateJwk } }), 'jwk contains a private key.'],
    ['a symmetric key', () => ({ header: { jwk: { kty: 'oct', k: 'AAAA' } } }), 'jwk contains a private key.'],
    ['no key', () => ({ header: { jwk: undefined } }), 'jwk is missing or not an object.'],
    [
      'a point off the curve',
      () => ({ header: { jwk: { ...client.jwk, y: client.jwk.x } } }),
      'jwk is not a public key.',
    ],
    ['a critical extension', () => ({ header: { crit: ['x'], x: 1 } }), 'The header has critical extensions.'],
    [
      'the signature of another key',
      () => ({ signWith: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }),
      'The signature is invalid.',
    ],
  ])('is refused with %s', async (_what, changes, message) => {
    expect(await proofError(present(changes()))).toEqual(message);
  });

  it('is refused without a proof, with a malformed one and with several', async () => {
    const authorization = `DPoP ${pair.accessToken}`;
    const [one, other] = [client.proof('GET', ME, pair.accessToken), client.proof('GET', ME, pair.accessToken)];

    expect(await proofError(ask({ authorization }))).toBe('The request has no DPoP proof.');
    expect(await proofError(ask({ authorization, dpop: 'x' }))).toBe('The JWT is malformed.');
    expect(await proofError(ask({ authorization, dpop: `${one}, ${other}` }))).toBe(
      'The request has several DPoP headers.',
    );
    const twice = await sendRaw(test.url, [
      'GET /notes/me HTTP/1.1',
      'Host: api.example',
      `Authorization: ${authorization}`,
      `DPoP: ${one}`,
      `DPoP: ${other}`,
    ]);
    expect(twice).toMatchObject({ status: 401, body: { message: 'The request has several DPoP headers.' } });
  });

  it('is challenged for both schemes without a credential', async () => {
    const answer = await ask({});

    expect(answer.headers.get('www-authenticate')).toBe(`Bearer realm="api", DPoP realm="api", ${ALGS}`);
  });

  it('reaches open routes with any proof, and optional ones only with a good one', async () => {
    const headers = { authorization: `DPoP ${pair.accessToken}`, dpop: 'x' };

    expect((await ask(headers, '/notes/open')).status).toBe(200);
    expect((await ask(headers, '/notes/optional')).status).toBe(401);
  });
});
