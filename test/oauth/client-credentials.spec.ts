import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService } from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { claimsOf, closeJwtApps, joinJwtApp } from '../support/jwt-app.js';
import { type OAuthAnswer, type OAuthApp, OAUTH_CONTROLLERS, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS, type User } from '../support/test-app.js';

interface Service {
  readonly id: string;
  readonly secret: string;
}

async function service(test: OAuthApp, user: User, scopes: string[], expiresAt?: Date): Promise<Service> {
  const { rawToken, token } = await test.tokens.create(user, { name: 'service', scopes, expiresAt });
  return { id: token.id, secret: rawToken };
}

/** Gets an access token with `client_secret_post`. */
function ask(test: OAuthApp, { id, secret }: Service, scope = ''): Promise<OAuthAnswer> {
  return test.post('token', { grant_type: 'client_credentials', client_id: id, client_secret: secret, scope });
}

const accessTokenOf = async (test: OAuthApp, client: Service) => tokensIn(await ask(test, client)).access_token;

describe.each(ADAPTERS)('The grant client_credentials on %s (RFC 6749 section 4.4)', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family', claims: ({ email }) => ({ email }) }, { adapter });
  });
  afterAll(() => test.close());

  it('gives an access token without a refresh token, with all scopes of the API token', async () => {
    const client = await service(test, test.user, ['read:notes', 'write:notes']);

    const { status, headers, body } = await ask(test, client);
    const { access_token, ...rest } = body as { access_token: string };
    const { iat, exp, jti, ...claims } = claimsOf(access_token);

    expect([status, headers.get('cache-control'), headers.get('pragma')]).toEqual([200, 'no-store', 'no-cache']);
    expect(rest).toEqual({ token_type: 'Bearer', expires_in: 900, scope: 'read:notes write:notes' });
    expect(claims).toEqual({
      iss: 'https://issuer.example',
      sub: test.user.id,
      aud: 'api',
      client_id: client.id,
      scope: 'read:notes write:notes',
      epoch: 0,
      api_token_id: client.id,
      api_token_epoch: 0,
      email: test.user.email,
    });
    expect([Number(exp) - Number(iat), typeof jti]).toEqual([900, 'string']);
    expect(await (await test.present(access_token)).json()).toEqual({
      userId: test.user.id,
      method: 'jwt',
      scopes: ['read:notes', 'write:notes'],
      tokenId: client.id,
      email: test.user.email,
    });
  });

  it('writes an audit row, and makes no family', async () => {
    const client = await service(test, test.user, ['read:notes']);
    const before = await test.dataSource.query<object[]>('SELECT id FROM sigra_refresh_families');

    await ask(test, client);

    expect((await auditRows(test.dataSource, client.id)).slice(1)).toMatchObject([
      {
        action: 'api.jwt_issue',
        actor_id: test.user.id,
        metadata: { method: 'api_token', viaTokenId: client.id, scopes: ['read:notes'] },
      },
    ]);
    expect(await test.dataSource.query('SELECT id FROM sigra_refresh_families')).toHaveLength(before.length);
  });

  it('narrows scopes, and never widens them', async () => {
    const [some, all] = [
      await service(test, test.user, ['read:notes', 'admin']),
      await service(test, test.user, ['*']),
    ];

    const narrow = await ask(test, some, 'read:notes');
    const refused = [
      await ask(test, some, 'write:notes'),
      await ask(test, some, 'read:notes write:notes'),
      await ask(test, some, '*'),
      await ask(test, some, 'READ'),
      await ask(test, all, 'not:registered'),
      await ask(test, all, 'a '.repeat(3000)),
      await ask(test, all, Array.from({ length: 300 }, (_, index) => `s${index}`).join(' ')),
    ];

    expect(tokensIn(narrow).scope).toBe('read:notes');
    expect(claimsOf(tokensIn(narrow).access_token).scope).toBe('read:notes');
    for (const { status, body } of refused) expect([status, body]).toMatchObject([400, { error: 'invalid_scope' }]);
  });

  it('needs client authentication', async () => {
    const { refreshToken, accessToken } = await test.signIn();
    const { secret } = await service(test, test.user, ['read:notes']);
    const grant = { grant_type: 'client_credentials' };

    const answers = [
      await test.post('token', grant),
      await test.post('token', { ...grant, client_id: 'web' }),
      await test.post('token', { ...grant, refresh_token: refreshToken }),
      await test.post('token', grant, { authorization: `Bearer ${accessToken}` }),
      await test.post('token', grant, { authorization: `Bearer ${secret}` }),
      await test.post('token', grant, { 'x-session-user': test.user.id }),
    ];

    for (const { status, body } of answers) expect([status, body]).toMatchObject([401, { error: 'invalid_client' }]);
  });

  it('lets the access token end with the API token, and not later than it', async () => {
    const client = await service(test, test.user, ['read:notes'], new Date(test.clock.now().getTime() + 60_000));

    const { access_token, expires_in } = tokensIn(await ask(test, client));
    const before = await test.present(access_token);
    test.clock.advance({ seconds: 60 });
    const after = await test.present(access_token);

    expect(expires_in).toBeLessThanOrEqual(60);
    expect([before.status, after.status]).toEqual([200, 401]);
  });

  it('gives no access token in the last second of the API token', async () => {
    test.clock.set(new Date(Math.ceil(test.clock.now().getTime() / 1000) * 1000));
    const client = await service(test, test.user, ['read:notes'], new Date(test.clock.now().getTime() + 900));

    const { status, body } = await ask(test, client);

    expect([status, body]).toMatchObject([401, { error: 'invalid_client' }]);
  });

  it('introspects such an access token, with the API token as its client', async () => {
    const client = await service(test, test.user, ['oauth:introspect']);
    const { access_token } = tokensIn(await ask(test, client));

    const { body } = await test.post(
      'introspect',
      { token: access_token },
      { authorization: `Bearer ${access_token}` },
    );

    expect(body).toMatchObject({ active: true, client_id: client.id, sub: test.user.id, scope: 'oauth:introspect' });
    expect(body).not.toHaveProperty('api_token_epoch');
  });

  it('cannot revoke such an access token alone, nor the API token with it', async () => {
    const client = await service(test, test.user, ['read:notes']);
    const token = await accessTokenOf(test, client);

    const { status, body } = await test.post('revoke', { token });

    expect([status, body]).toMatchObject([400, { error: 'unsupported_token_type' }]);
    expect((await test.present(client.secret)).status).toBe(200);
  });

  it('makes the API token the maker of what its access token makes', async () => {
    const client = await service(test, test.user, ['api_tokens:write', 'read:notes']);
    const create = async (credential: string) => {
      const answer = await fetch(`${test.url}/api/tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'made', scopes: ['read:notes'] }),
      });
      return { status: answer.status, body: (await answer.json()) as { rawToken: string; token: { madeBy: unknown } } };
    };
    const accessToken = await accessTokenOf(test, client);

    const made = await create(accessToken);
    const before = await test.present(made.body.rawToken);
    await test.tokens.revoke(client.id);
    const after = await test.present(made.body.rawToken);
    const late = await create(accessToken);

    expect(made.body.token.madeBy).toEqual({ type: 'api_token', id: client.id });
    expect([made.status, before.status, after.status, late.status]).toEqual([201, 200, 401, 401]);
  });
});

/** What ends an API token, and whether its access tokens end at once with each check. */
const ENDS: readonly {
  readonly what: string;
  readonly end: (test: OAuthApp, client: Service, user: User) => Promise<unknown>;
  readonly epoch: number;
  readonly family: number;
}[] = [
  { what: 'its revocation', end: (test, { id }) => test.tokens.revoke(id), epoch: 200, family: 401 },
  { what: 'its rotation', end: (test, { id }) => test.tokens.rotate(id), epoch: 200, family: 401 },
  {
    what: 'its rotation with a grace period',
    end: (test, { id }) => test.tokens.rotate(id, { graceSeconds: 60 }),
    epoch: 200,
    family: 200,
  },
  { what: 'revokeAll()', end: (test, _client, user) => test.tokens.revokeAll(user), epoch: 401, family: 401 },
  {
    what: 'signOutEverywhere()',
    end: (test, _client, user) => test.jwt.signOutEverywhere(user),
    epoch: 401,
    family: 401,
  },
  {
    what: 'lockOut()',
    end: (test, _client, user) => test.get(CredentialService).lockOut(user),
    epoch: 401,
    family: 401,
  },
  {
    what: 'forget()',
    end: (test, _client, user) => test.get(CredentialService).forget(user),
    epoch: 401,
    family: 401,
  },
  {
    what: 'the end of its user',
    end: (test, _client, user) =>
      test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]),
    epoch: 401,
    family: 401,
  },
  {
    what: 'the revocation of a refresh family',
    end: async (test, _client, user) =>
      test.jwt.revokeRefresh((await test.jwt.generateTokens(user, ['read:notes'])).refreshToken),
    epoch: 200,
    family: 200,
  },
];

describe.each(['epoch', 'family'] as const)('The access token of an API token, with the check %s', (check) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ check });
  });
  afterAll(closeJwtApps);

  it.each(ENDS)('ends with $what as stated, on every node', async ({ end, ...expected }) => {
    const user = await test.addUser('somebody@example.com');
    const client = await service(test, user, ['read:notes']);
    const accessToken = await accessTokenOf(test, client);
    const node = await joinJwtApp(test, { check });

    const before = await test.present(accessToken);
    await end(test, client, user);
    const after = [await test.present(accessToken), await node.present(accessToken)];
    await node.close();

    expect(before.status).toBe(200);
    expect(after.map(({ status }) => status)).toEqual([expected[check], expected[check]]);
  });

  it('makes nothing after the API token was revoked', async () => {
    const client = await service(test, test.user, ['api_tokens:write', 'read:notes']);
    const accessToken = await accessTokenOf(test, client);
    await test.tokens.revoke(client.id);

    const { status } = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'made', scopes: ['read:notes'] }),
    });

    expect(status).toBe(401);
  });
});

describe('A client that ends after it has been authenticated', () => {
  let test: OAuthApp;
  let meanwhile: (() => Promise<unknown>) | undefined;

  beforeAll(async () => {
    test = await startOAuthApp({
      claims: async () => {
        await meanwhile?.();
        return {};
      },
    });
  });
  afterAll(() => test.close());

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['is revoked', (id) => test.tokens.revoke(id)],
    ['has expired', async () => test.clock.advance({ hours: 2 })],
    ['is revoked with all others', () => test.tokens.revokeAll(test.user)],
  ])(
    '%s: it is an invalid client, and nothing is said about refresh tokens (RFC 6749 section 5.2)',
    async (_what, end) => {
      const client = await service(test, test.user, ['read:notes'], new Date(test.clock.now().getTime() + 3_600_000));
      meanwhile = () => end(client.id);

      const { status, headers, body } = await ask(test, client);
      meanwhile = undefined;

      expect([status, headers.get('www-authenticate'), body]).toEqual([
        401,
        'Basic realm="api"',
        {
          error: 'invalid_client',
          error_description: 'The client credentials are invalid, revoked or expired.',
        },
      ]);
    },
  );
});

describe('The grant client_credentials beside a revocation', () => {
  it('gives no access token that outlives the revocation of the API token', async () => {
    const test = await startOAuthApp({ check: 'family' });
    const rounds = 20;
    let issued = 0;

    for (let round = 0; round < rounds; round++) {
      const client = await service(test, test.user, ['read:notes']);
      const [answers] = await Promise.all([
        Promise.all([ask(test, client), ask(test, client), ask(test, client)]),
        test.tokens.revoke(client.id),
      ]);
      for (const answer of answers) {
        if (answer.status !== 200) continue;
        issued++;
        expect(await refusalOf(test.jwt.verifyAccess(tokensIn(answer).access_token))).toBe('token_revoked');
      }
    }
    await test.close();

    expect(issued).toBeLessThanOrEqual(rounds * 3);
  });

  it('gives an access token that lasts until it expires where JWTs are verified without the database', async () => {
    const test = await startOAuthApp({ check: 'stateless' }, { sigra: { controllers: OAUTH_CONTROLLERS } });
    const client = await service(test, test.user, ['read:notes']);
    const accessToken = await accessTokenOf(test, client);
    await test.tokens.revoke(client.id);

    const soon = await test.jwt.verifyAccess(accessToken);
    test.clock.advance({ seconds: 900 });
    const late = await refusalOf(test.jwt.verifyAccess(accessToken));
    await test.close();

    expect(soon.client_id).toBe(client.id);
    expect(late).toBe('token_expired');
  });
});
