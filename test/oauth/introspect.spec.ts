import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { insufficientScope, INVALID_TOKEN } from '../support/answers.js';
import { ADAPTERS, withoutGlobalGuard } from '../support/test-app.js';
import { refusalOf } from '../support/refusal.js';
import { type OAuthAnswer, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

const INACTIVE = { active: false };
const NO_CREDENTIAL = {
  status: 401,
  challenge: 'Bearer realm="api", Basic realm="api"',
  body: { error: 'invalid_client', error_description: 'This request needs a client or a bearer credential.' },
};
const asAnswer = ({ status, headers, body }: OAuthAnswer) => ({
  status,
  challenge: headers.get('www-authenticate'),
  body,
});

describe.each(ADAPTERS)('POST /oauth/introspect on %s', (adapter) => {
  let test: OAuthApp;
  let authorization: string;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family', clientId: 'web' }, { adapter });
    const { rawToken } = await test.tokens.create(test.user, { name: 'resource server', scopes: ['oauth:introspect'] });
    authorization = `Bearer ${rawToken}`;
  });
  afterAll(() => test.close());

  const introspect = async (token: string, more: Record<string, string> = {}) => {
    const { status, headers, body } = await test.post('introspect', { token, ...more }, { authorization });
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    return body;
  };
  it('answers only that any other token is not active (RFC 7662 section 2.2)', async () => {
    const { accessToken, refreshToken } = await test.signIn();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['admin'] });
    const others = [`${accessToken}x`, `${refreshToken}x`, `${rawToken}x`, 'x', 'eyJ', '\0', 'ü', 'x'.repeat(9000)];

    const answers = await Promise.all(others.map((token) => introspect(token)));

    expect(answers).toEqual(others.map(() => INACTIVE));
  });

  it('works with any hint (RFC 7662 section 2.1)', async () => {
    const { accessToken } = await test.signIn();

    const answers = await Promise.all(
      ['refresh_token', 'nonsense', ''].map((hint) => introspect(accessToken, { token_type_hint: hint })),
    );

    for (const answer of answers) expect(answer).toMatchObject({ active: true });
  });

  it('requires exactly one token', async () => {
    const answers = [
      await test.post('introspect', {}, { authorization }),
      await test.post(
        'introspect',
        [
          ['token', 'a'],
          ['token', 'b'],
        ],
        { authorization },
      ),
    ];

    for (const { status, body } of answers) {
      expect([status, body]).toEqual([400, { error: 'invalid_request', error_description: expect.any(String) }]);
    }
  });

  it('needs a credential, in the header and nowhere else (RFC 7662 section 2.1, RFC 6750 section 3)', async () => {
    const { accessToken } = await test.signIn('oauth:introspect');
    const token = accessToken;

    const anonymous = await test.post('introspect', { token });
    const session = await test.post('introspect', { token }, { 'x-session-user': test.user.id });
    const bad = await test.post('introspect', { token }, { authorization: `${authorization}x` });
    const client = await test.post('introspect', { token }, { authorization: 'Basic YTpi' });
    const inForm = await test.post('introspect', { token, access_token: accessToken });
    const inBoth = await test.post('introspect', { token, access_token: accessToken }, { authorization });

    const { status, challenge, body } = INVALID_TOKEN;
    const { error, message } = body as { error: string; message: string };
    expect([anonymous, session].map(asAnswer)).toEqual([NO_CREDENTIAL, NO_CREDENTIAL]);
    expect(asAnswer(client)).toMatchObject({ status: 401, challenge: 'Basic realm="api"' });
    expect(asAnswer(bad)).toEqual({ status, challenge, body: { error, error_description: message } });
    expect([inForm, inBoth].map(({ status, body }) => [status, (body as { error: string }).error])).toEqual([
      [400, 'invalid_request'],
      [400, 'invalid_request'],
    ]);
  });

  it('needs the scope oauth:introspect, of an API token or of a JWT (RFC 6750 section 3.1)', async () => {
    const [able, unable] = [await test.signIn('oauth:introspect'), await test.signIn('admin')];
    const token = able.accessToken;

    const allowed = await test.post('introspect', { token }, { authorization: `Bearer ${able.accessToken}` });
    const refused = await test.post('introspect', { token }, { authorization: `Bearer ${unable.accessToken}` });

    expect(allowed.body).toMatchObject({ active: true, scope: 'oauth:introspect' });
    const { status, challenge } = insufficientScope(['oauth:introspect'], ['oauth:introspect']);
    expect(asAnswer(refused)).toEqual({
      status,
      challenge,
      body: {
        error: 'insufficient_scope',
        error_description: 'The credential lacks a scope that this request needs.',
      },
    });
  });

  it('reveals no secret: no part of an answer can be used as a token', async () => {
    const { refreshToken, accessToken } = await test.signIn();

    const answers = JSON.stringify([await introspect(refreshToken), await introspect(accessToken)]);

    expect(answers).not.toContain(refreshToken.slice(9, 30));
    expect(answers).not.toContain(accessToken.split('.')[2]);
    expect(await refusalOf(test.jwt.refresh('x'))).toBe('invalid_token');
  });
});

describe.each(ADAPTERS)('POST /oauth/introspect on %s, in an application without a global guard', (adapter) => {
  it('needs a credential and the scope as well', async () => {
    const test = await startOAuthApp({}, { adapter, configure: withoutGlobalGuard });
    const [able, unable] = [await test.signIn('oauth:introspect'), await test.signIn('admin')];
    const ask = (headers: Record<string, string>) => test.post('introspect', { token: able.accessToken }, headers);

    const answers = [
      await ask({}),
      await ask({ 'x-session-user': test.user.id }),
      await ask({ authorization: `Bearer ${unable.accessToken}` }),
      await ask({ authorization: `Bearer ${able.accessToken}` }),
    ];
    await test.close();

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 200]);
  });
});
