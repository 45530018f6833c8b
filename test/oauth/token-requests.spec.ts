import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimsOf } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';

const FORM = 'application/x-www-form-urlencoded';
const INVALID_PARAMETER = 'A parameter is repeated or is not a string.';
const NO_GRANT = 'The parameter grant_type is missing.';

const invalidRequest = (description: string) => ({ error: 'invalid_request', error_description: description });

describe.each(ADAPTERS)('A request to the token endpoint on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter });
  });
  afterAll(() => test.close());

  const grant = async () => ({ grant_type: 'refresh_token', refresh_token: (await test.signIn()).refreshToken });

  it('can be a form (RFC 6749 section 3.2) or JSON', async () => {
    const byForm = await test.post('token', await grant());
    const withCharset = await test.postRaw(
      'token',
      `${FORM}; charset=UTF-8`,
      new URLSearchParams(await grant()).toString(),
    );
    const byJson = await test.postRaw('token', 'application/json', JSON.stringify(await grant()));

    expect([byForm, withCharset, byJson].map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('can have unknown parameters (RFC 6749 section 3.2), access_token among them', async () => {
    const { accessToken } = await test.signIn();
    const more = { client_id: 'web', audience: 'https://api.example', constructor: 'x', access_token: accessToken };

    const answer = await test.post('token', { ...(await grant()), ...more });

    expect(answer.status).toBe(200);
    expect(tokensIn(answer).scope).toBe('read:notes');
  });

  it('can have empty parameters, which count as absent (RFC 6749 section 3.2)', async () => {
    const withEmptyScope = await test.post('token', { ...(await grant()), scope: '' });
    const withEmptyGrant = await test.post('token', { ...(await grant()), grant_type: '' });
    const withEmptyToken = await test.post('token', { grant_type: 'refresh_token', refresh_token: '' });

    expect(tokensIn(withEmptyScope).scope).toBe('read:notes');
    expect([withEmptyGrant.status, withEmptyGrant.body]).toEqual([400, invalidRequest(NO_GRANT)]);
    expect([withEmptyToken.status, withEmptyToken.body]).toEqual([
      400,
      invalidRequest('The parameter refresh_token is missing.'),
    ]);
  });

  it('must name its grant (RFC 6749 section 5.2)', async () => {
    const { refresh_token } = await grant();

    const answers = [await test.post('token', {}), await test.post('token', { refresh_token })];

    for (const { status, body } of answers) expect([status, body]).toEqual([400, invalidRequest(NO_GRANT)]);
  });

  it.each(['password', 'authorization_code', 'REFRESH_TOKEN', 'refresh_token ', 'constructor'])(
    'must not name another grant, such as %j (RFC 6749 section 5.2)',
    async (grantType) => {
      const { status, body } = await test.post('token', { ...(await grant()), grant_type: grantType });

      expect([status, body]).toEqual([
        400,
        {
          error: 'unsupported_grant_type',
          error_description: 'The grants are refresh_token and client_credentials.',
        },
      ]);
    },
  );

  it.each(['grant_type', 'refresh_token', 'scope', 'whatever'])(
    'must not repeat a parameter, such as %s (RFC 6749 section 3.2)',
    async (name) => {
      const parameters: [string, string][] = [
        ...Object.entries(await grant()),
        ['scope', 'read:notes'],
        ['whatever', '1'],
      ];
      const repeated = parameters.find(([each]) => each === name)!;

      const refused = await test.post('token', [...parameters, repeated]);
      const afterwards = await test.post('token', parameters);

      expect([refused.status, refused.body]).toEqual([400, invalidRequest(INVALID_PARAMETER)]);
      expect(afterwards.status).toBe(200);
    },
  );

  it.each([
    ['an array', { grant_type: ['refresh_token'] }],
    ['an object', { grant_type: { $ne: '' } }],
    ['a number', { grant_type: 'refresh_token', refresh_token: 1 }],
    ['null', { grant_type: 'refresh_token', refresh_token: null }],
    ['true', { grant_type: 'refresh_token', refresh_token: true }],
  ])('must have strings as values, not %s', async (_what, json) => {
    const { status, body } = await test.postRaw('token', 'application/json', JSON.stringify(json));

    expect([status, body]).toEqual([400, invalidRequest(INVALID_PARAMETER)]);
  });

  it.each([
    ['nested parameters', FORM, 'grant_type[a]=refresh_token'],
    ['an empty form', FORM, ''],
    ['a JSON array', 'application/json', '[]'],
    ['plain text', 'text/plain', 'grant_type=refresh_token'],
  ])('must be a form: %s is an invalid_request (RFC 6749 section 5.2)', async (_what, type, body) => {
    const answer = await test.postRaw('token', type, body);

    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: 'invalid_request', error_description: expect.any(String) });
  });

  it('is not read from the query (RFC 6749 section 2.3.1)', async () => {
    const query = new URLSearchParams(await grant());

    const { status, body } = await test.post(`token?${query.toString()}`, {});

    expect([status, body]).toEqual([400, invalidRequest('The parameter refresh_token stands in the URL.')]);
  });

  it('ignores a session cookie', async () => {
    const answer = await test.post('token', await grant(), {
      'x-session-user': test.user.id,
      origin: 'https://attacker.example',
      'sec-fetch-site': 'cross-site',
    });

    expect(answer.status).toBe(200);
  });

  it('gets error descriptions in the characters that RFC 6749 section 5.2 allows', async () => {
    const answers = [
      await test.post('token', {}),
      await test.post('token', { grant_type: '"x"\\' }),
      await test.post('token', { ...(await grant()), scope: '"admin"\\' }),
      await test.post('token', { ...(await grant()), scope: 'admin' }),
      await test.post('token', { grant_type: 'refresh_token', refresh_token: '"' }),
      await test.post('revoke', {}),
    ];

    for (const { body } of answers) {
      const { error_description: description } = body as { error_description: string };
      expect(description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
    }
  });
});

describe.each(ADAPTERS)('The parameter resource at the token endpoint on %s (RFC 8707)', (adapter) => {
  const RESOURCE = 'https://api.example';
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ audience: 'notes' }, { adapter, sigra: { metadata: { resource: RESOURCE } } });
  });
  afterAll(() => test.close());

  it.each(['notes', RESOURCE, `${RESOURCE}/`])('can be %s, and the token is for the audience', async (resource) => {
    const answer = await test.refresh((await test.signIn()).refreshToken, { resource });

    expect(answer.status).toBe(200);
    expect(claimsOf(tokensIn(answer).access_token).aud).toBe('notes');
  });

  it.each(['https://other.example', `${RESOURCE}/notes`, 'Notes', 'api', 'x'.repeat(10_000)])(
    'cannot be another one, and nothing is consumed',
    async (resource) => {
      const { refreshToken } = await test.signIn();
      const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
      const client = { grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken };

      const answers = [
        await test.refresh(refreshToken, { resource }),
        await test.post('token', { ...client, resource }),
      ];

      const error_description = 'Tokens of this server are not for this resource.';
      expect(answers.map(({ status, body }) => [status, body])).toEqual(
        answers.map(() => [400, { error: 'invalid_target', error_description }]),
      );
      expect((await test.refresh(refreshToken)).status).toBe(200);
    },
  );

  it('can be sent once', async () => {
    const parameters = [
      ['grant_type', 'refresh_token'],
      ['refresh_token', (await test.signIn()).refreshToken],
      ['resource', 'notes'],
      ['resource', RESOURCE],
    ] as const;

    const { status, body } = await test.post('token', parameters);

    expect([status, body]).toEqual([400, invalidRequest(INVALID_PARAMETER)]);
  });
});
