import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type OAuthAnswer, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { sendRaw } from '../support/raw-http.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';

const INVALID_CLIENT = 'The client credentials are invalid, revoked or expired.';
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

const encode = (text: string) => Buffer.from(text).toString('base64');
const basic = (id: string, secret: string) => ({ authorization: `Basic ${encode(`${id}:${secret}`)}` });

/** Status, challenge, error and caching of a refusal. */
const refusalIn = ({ status, headers, body }: OAuthAnswer) => [
  status,
  headers.get('www-authenticate'),
  (body as { error: string }).error,
  headers.get('cache-control'),
];
const REFUSED = [401, null, 'invalid_client', 'no-store'];
const CHALLENGED = [401, 'Basic realm="api"', 'invalid_client', 'no-store'];
const TWO_WAYS = [400, null, 'invalid_request', 'no-store'];

describe.each(ADAPTERS)('A client at the OAuth endpoints on %s', (adapter) => {
  let test: OAuthApp;
  let id: string;
  let secret: string;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family' }, { adapter });
    ({ id, secret } = await client('oauth:introspect', 'read:notes'));
  });
  afterAll(() => test.close());

  const client = async (...scopes: string[]) => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'service', scopes });
    return { id: token.id, secret: rawToken };
  };
  const grant = async () => ({ grant_type: 'refresh_token', refresh_token: (await test.signIn()).refreshToken });
  /** A request to each endpoint, with more parameters and headers. */
  const askAll = async (form: Record<string, string>, headers: Record<string, string> = {}) => {
    const { refreshToken } = await test.signIn();
    return [
      await test.post('token', { ...(await grant()), ...form }, headers),
      await test.post('introspect', { token: refreshToken, ...form }, headers),
      await test.post('revoke', { token: refreshToken, ...form }, headers),
    ];
  };

  it('authenticates with client_secret_basic (RFC 6749 section 2.3.1)', async () => {
    const answers = await askAll({}, basic(id, secret));

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[1]!.body).toMatchObject({ active: true });
  });

  it('authenticates with client_secret_basic if each part is encoded as in a form', async () => {
    const escaped = Array.from(Buffer.from(secret), (byte) => `%${byte.toString(16)}`).join('');

    const answers = await askAll({ client_id: id }, { authorization: `basic ${encode(`${id}:${escaped}`)}` });

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('authenticates with client_secret_post (RFC 6749 section 2.3.1)', async () => {
    const answers = await askAll({ client_id: id, client_secret: secret });

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(answers[1]!.body).toMatchObject({ active: true });
  });

  it.each([
    ['an unknown secret', () => [id, secret.slice(0, -1)]],
    ['the id of no token', () => [randomUUID(), secret]],
    ['the id in upper case', () => [id.toUpperCase(), secret]],
    ['an empty secret', () => [id, '']],
    ['an empty id', () => ['', secret]],
    ['the name of an inherited property', () => ['__proto__', 'constructor']],
    ['a broken escape', () => [id, '%']],
    ['NUL', () => [id, '\0']],
  ])('is refused at every endpoint with %s, in the header', async (_what, make) => {
    const [given, wrong] = make() as [string, string];

    const answers = await askAll({}, basic(given, wrong));

    expect(answers.map(refusalIn)).toEqual([CHALLENGED, CHALLENGED, CHALLENGED]);
    expect(answers.map(({ body }) => (body as { error_description: string }).error_description)).toEqual(
      answers.map(() => INVALID_CLIENT),
    );
  });

  it.each([
    [
      'the id and secret of different clients',
      async () => ({ client_id: (await client('admin')).id, client_secret: secret }),
    ],
    ['an unknown secret', async () => ({ client_id: id, client_secret: 'x' })],
    ['a secret without an id', async () => ({ client_secret: secret })],
    [
      'a refresh token as the secret',
      async () => ({ client_id: id, client_secret: (await test.signIn()).refreshToken }),
    ],
    [
      'an access token as the secret',
      async () => ({ client_id: id, client_secret: (await test.signIn()).accessToken }),
    ],
    ['an assertion', async () => ({ client_assertion_type: JWT_BEARER, client_assertion: 'eyJ.eyJ.x' })],
    [
      'an assertion beside its secret',
      async () => ({ client_id: id, client_secret: secret, client_assertion: 'eyJ.x.x' }),
    ],
    ['the type of an assertion only', async () => ({ client_assertion_type: JWT_BEARER })],
  ])('is refused at every endpoint with %s, in the body', async (_what, make) => {
    const answers = await askAll(await make());

    expect(answers.map(refusalIn)).toEqual([REFUSED, REFUSED, REFUSED]);
  });

  it.each([
    'Basic',
    'Basic ',
    'Basic %%%',
    `Basic ${encode('without a colon')}`,
    `Basic ${Buffer.from([0xff, 0x3a, 0xff]).toString('base64')}`,
    'Digest username="x"',
    '"strange',
  ])('is refused with the header %j, and told to use Basic', async (authorization) => {
    const answers = await askAll({}, { authorization });

    expect(answers.map(refusalIn)).toEqual([CHALLENGED, CHALLENGED, CHALLENGED]);
  });

  it('authenticates in one way only (RFC 6749 section 2.3)', async () => {
    const form = { client_id: id, client_secret: secret };

    const answers = [
      ...(await askAll(form, basic(id, secret))),
      ...(await askAll({ client_id: randomUUID() }, basic(id, secret))),
      ...(await askAll({ client_assertion: 'eyJ.eyJ.x' }, basic(id, secret))),
      await test.post('introspect', { token: 'x', ...form }, { authorization: `Bearer ${secret}` }),
    ];

    expect(answers.map(refusalIn)).toEqual(answers.map(() => TWO_WAYS));
  });

  it.each(['client_secret', 'client_assertion', 'refresh_token', 'token'])(
    'sends no %s in the URL, which would not be checked',
    async (name) => {
      const query = `?state=1&${name}=wrong`;
      const { refreshToken } = await test.signIn();

      const answers = [
        await test.post(`token${query}`, await grant()),
        await test.post(`introspect${query}`, { token: refreshToken }, basic(id, secret)),
        await test.post(`revoke${query}`, { token: refreshToken }),
      ];

      expect(answers.map(refusalIn)).toEqual(answers.map(() => TWO_WAYS));
      expect((await test.refresh(refreshToken)).status).toBe(200);
      expect((await test.post('token?state=1', await grant())).status).toBe(200);
    },
  );

  it('sends one Authorization header', async () => {
    const head = ['POST /oauth/token HTTP/1.1', 'Host: localhost', 'Content-Length: 0'];

    const answer = await sendRaw(test.url, [...head, 'Authorization: Basic YTpi', 'Authorization: Basic Yzpk']);

    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('is refused once its token has expired or is revoked, or its user is inactive', async () => {
    const user = await test.addUser('employee@example.com');
    const create = async (expiresAt?: Date) => {
      const { rawToken, token } = await test.tokens.create(user, {
        name: 'x',
        scopes: ['oauth:introspect'],
        expiresAt,
      });
      return { id: token.id, secret: rawToken };
    };
    const [live, revoked, expired] = [
      await create(),
      await create(),
      await create(new Date(test.clock.now().getTime() + 1000)),
    ];
    await test.tokens.revoke(revoked.id);
    test.clock.advance({ seconds: 1 });
    const ask = (each: typeof live) => test.post('introspect', { token: 'x' }, basic(each.id, each.secret));

    const before = [await ask(live), await ask(revoked), await ask(expired)];
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const after = await ask(live);

    expect(before.map(({ status }) => status)).toEqual([200, 401, 401]);
    expect(refusalIn(after)).toEqual(CHALLENGED);
  });

  it('consumes and revokes nothing when it is refused', async () => {
    const { refreshToken, accessToken } = await test.signIn();

    await test.post('token', { grant_type: 'refresh_token', refresh_token: refreshToken }, basic(id, 'x'));
    await test.post('revoke', { token: refreshToken, client_id: id, client_secret: 'x' });
    await test.post('revoke', { token: accessToken }, basic(id, 'x'));

    expect((await test.refresh(refreshToken)).status).toBe(200);
  });

  it('can send its bearer credential or one with a key, valid or not, with every request: it does not authenticate a client', async () => {
    const { accessToken, refreshToken } = await test.signIn();
    const headers = ['Bearer x', 'Bearer', 'bearer "', `Bearer ${accessToken}`, 'DPoP x', 'dpop'].map(
      (authorization) => ({ authorization }),
    );

    const refreshed = [];
    for (const each of headers) refreshed.push(await test.post('token', await grant(), each));
    const other = await test.signIn();
    const revoked = [
      await test.post('revoke', { token: refreshToken }, { authorization: 'Bearer x' }),
      await test.post('revoke', { token: other.refreshToken }, { authorization: 'DPoP x' }),
    ];
    const introspection = await test.post('introspect', { token: 'x' }, { authorization: 'DPoP x' });

    expect(refreshed.map(({ status }) => status)).toEqual(headers.map(() => 200));
    expect(revoked.map(({ status }) => status)).toEqual([200, 200]);
    expect(refusalIn(introspection)).toEqual([
      401,
      'Bearer realm="api", Basic realm="api"',
      'invalid_client',
      'no-store',
    ]);
    expect(await refusalOf(test.jwt.refresh(other.refreshToken))).toBe('token_revoked');
    expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
  });

  it('is public with a client_id alone, and may then not introspect', async () => {
    const [token, introspect, revoke] = await askAll({ client_id: 'web' });

    expect([token!.status, introspect!.status, revoke!.status]).toEqual([200, 401, 200]);
  });

  it('needs the scope oauth:introspect to introspect', async () => {
    const unable = await client('read:notes');

    const answer = await test.post('introspect', { token: 'x' }, basic(unable.id, unable.secret));

    expect([answer.status, answer.body]).toMatchObject([403, { error: 'insufficient_scope' }]);
  });
});
