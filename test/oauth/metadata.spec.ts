import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, VersioningType } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { SigraModule, type SigraModuleExtras, type SigraModuleOptions } from 'nestjs-sigra';
import { type HostApp, type HostOptions, startHost } from '../support/host-app.js';
import { rsaKey } from '../support/jwt-forge.js';
import { JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { OAUTH_CONTROLLERS } from '../support/oauth-app.js';
import { ADAPTERS, type User } from '../support/test-app.js';

/** As applications often do. */
function refuseOrigins(origin: string | undefined, answer: (error: Error | null, allowed?: boolean) => void): void {
  if (origin === undefined) answer(null, true);
  else answer(new Error('This origin is not allowed.'));
}

const { secret: _secret, ...RSA_JWT } = { ...JWT, keys: [rsaKey('rsa-1').option] };
const SERVER = '/.well-known/oauth-authorization-server';
const RESOURCE = '/.well-known/oauth-protected-resource';
const KEYS = '/.well-known/jwks.json';

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'];
const metadata = (base: string, issuer = 'https://issuer.example') => ({
  issuer,
  token_endpoint: `${base}/oauth/token`,
  revocation_endpoint: `${base}/oauth/revoke`,
  introspection_endpoint: `${base}/oauth/introspect`,
  jwks_uri: `${new URL(base).origin}${KEYS}`,
  response_types_supported: [],
  grant_types_supported: ['refresh_token', 'client_credentials'],
  token_endpoint_auth_methods_supported: ['none', ...AUTH_METHODS],
  revocation_endpoint_auth_methods_supported: ['none', ...AUTH_METHODS],
  introspection_endpoint_auth_methods_supported: [...AUTH_METHODS, 'Bearer'],
});

describe.each(ADAPTERS)('Metadata on %s', (adapter) => {
  let database: JwtApp;
  let hosts: HostApp[] = [];

  beforeAll(async () => {
    database = await startJwtApp();
  });
  afterEach(async () => {
    for (const host of hosts) await host.close();
    hosts = [];
  });
  afterAll(() => database.close());

  const start = async (
    sigra: Partial<SigraModuleOptions<User>> & SigraModuleExtras = {},
    prepare?: (app: INestApplication) => void,
    imports: HostOptions['imports'] = [],
  ) => {
    const { databaseUrl, user } = database;
    const host = await startHost({
      adapter,
      databaseUrl,
      imports,
      sigra: { jwt: RSA_JWT, controllers: OAUTH_CONTROLLERS, ...sigra },
      ...(prepare && { prepare }),
    });
    hosts.push(host);
    return { url: host.url, user };
  };
  const read = async (url: string) => {
    const answer = await fetch(url);
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };

  it('of the authorization server names its endpoints (RFC 8414 section 3)', async () => {
    const { url } = await start();

    const { status, headers, body } = await read(url + SERVER);

    expect([status, body]).toEqual([200, metadata('https://issuer.example')]);
    expect(headers.get('content-type')).toMatch(/^application\/json\b/);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
  });

  it.each([
    ['a prefix', (app: INestApplication) => app.setGlobalPrefix('/api/v1/'), '/api/v1'],
    [
      'a prefix that does not apply to the endpoints',
      (app: INestApplication) => app.setGlobalPrefix('api', { exclude: ['oauth/{*any}'] }),
      '',
    ],
    [
      'versions',
      (app: INestApplication) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '2' }),
      '',
    ],
  ])(
    'is at the root in an application with %s, and its endpoints are where it says',
    async (_what, prepare, prefix) => {
      const { url } = await start({}, prepare);

      const answers = [await read(url + SERVER), await read(url + KEYS)];
      const { token_endpoint } = answers[0]!.body as { token_endpoint: string };
      const endpoint = await fetch(token_endpoint.replace('https://issuer.example', url), { method: 'POST' });

      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      expect(answers[0]!.body).toEqual(metadata(`https://issuer.example${prefix}`));
      expect((answers[1]!.body as { keys: unknown[] }).keys).toHaveLength(1);
      expect([endpoint.status, await endpoint.json()]).toMatchObject([400, { error: 'invalid_request' }]);
    },
  );

  it.each([
    ['alone', undefined, '/v1'],
    ['below a prefix', (app: INestApplication) => app.setGlobalPrefix('api'), '/api/v1'],
    [
      'with a prefix that does not apply to it',
      (app: INestApplication) => app.setGlobalPrefix('api', { exclude: ['v1/oauth/{*any}'] }),
      '/v1',
    ],
  ])('names the endpoints below the path of a RouterModule, %s', async (_what, prepare, path) => {
    const routes = RouterModule.register([{ path: 'v1', module: SigraModule }]);
    const { url } = await start({}, prepare, [routes]);

    const { body } = await read(url + SERVER);
    const { token_endpoint } = body as { token_endpoint: string };
    const endpoint = token_endpoint.replace('https://issuer.example', url);
    const answers = [
      await fetch(endpoint, { method: 'POST' }),
      await fetch(endpoint, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }),
      await fetch(endpoint),
    ];

    expect(body).toEqual(metadata(`https://issuer.example${path}`));
    expect((await read(url + KEYS)).status).toBe(200);
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 405]);
    for (const answer of answers) expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
  });

  it('serves the keys below the prefix as well', async () => {
    const { url } = await start({}, (app) => app.setGlobalPrefix('api'));

    const answer = await fetch(`${url}/api${KEYS}`);

    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
  });

  it('of an issuer with a path has this path inserted (RFC 8414 section 3.1)', async () => {
    const issuer = 'https://issuer.example/tenants/one/';
    const { url } = await start({ jwt: { ...RSA_JWT, issuer } });

    const answers = [await read(`${url}${SERVER}/tenants/one`), await read(url + SERVER)];
    const other = await fetch(`${url}${SERVER}/tenants`);

    expect(answers.map(({ body }) => body)).toEqual(answers.map(() => metadata('https://issuer.example', issuer)));
    expect(other.status).toBe(404);
  });

  it('has the URL of the application behind a proxy, and scopes, if the application says so', async () => {
    const { url } = await start({ metadata: { baseUrl: 'https://public.example/app/', scopes: ['read:notes'] } });

    const { body } = await read(url + SERVER);

    expect(body).toMatchObject({
      issuer: 'https://issuer.example',
      token_endpoint: 'https://public.example/app/oauth/token',
      jwks_uri: `https://public.example/app${KEYS}`,
      scopes_supported: ['read:notes'],
    });
  });

  it('has no keys where a secret signs, and does not exist without the endpoints or with an issuer that is not a URL', async () => {
    const withSecret = await start({ jwt: JWT });
    const { url: withoutEndpoints } = await start({ controllers: { jwks: '.well-known' } });
    const { url: withName } = await start({ jwt: { ...RSA_JWT, issuer: 'myapp' } });

    expect((await read(withSecret.url + SERVER)).body).not.toHaveProperty('jwks_uri');
    expect((await fetch(withoutEndpoints + SERVER)).status).toBe(404);
    expect((await fetch(withName + SERVER)).status).toBe(404);
    expect((await fetch(withName + RESOURCE)).status).toBe(404);
  });

  it('of the protected resource names its authorization servers (RFC 9728 section 3)', async () => {
    const resource = 'https://issuer.example/mcp';
    const { url } = await start({ metadata: { resource, scopes: ['read:notes'] } }, (app) =>
      app.setGlobalPrefix('api'),
    );

    const answers = [await read(`${url}${RESOURCE}/mcp`), await read(url + RESOURCE)];

    for (const { status, body } of answers) {
      expect([status, body]).toEqual([
        200,
        {
          resource,
          authorization_servers: ['https://issuer.example'],
          bearer_methods_supported: ['header'],
          scopes_supported: ['read:notes'],
        },
      ]);
    }
  });

  it('of the protected resource can name other authorization servers, without JWTs of its own', async () => {
    const authorizationServers = ['https://login.example/tenant', 'https://other.example'];
    const { url } = await start({
      jwt: { enabled: false },
      controllers: {},
      metadata: { resource: 'https://issuer.example', authorizationServers },
    });

    expect((await read(url + RESOURCE)).body).toMatchObject({ authorization_servers: authorizationServers });
  });

  it('of the protected resource is in the challenge of every 401 (RFC 9728 section 5.1), and of no other answer', async () => {
    const { url, user } = await start({ metadata: { resource: 'https://issuer.example/mcp' } });
    const parameter = `resource_metadata="https://issuer.example${RESOURCE}/mcp"`;
    const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
      fetch(url + path, { method, headers });

    const answers = [
      await ask('/api/tokens', {}),
      await ask('/api/tokens', { authorization: 'Bearer sigra_sk_bad' }),
      await ask('/oauth/introspect', {}, 'POST'),
      await ask('/oauth/introspect', { authorization: 'Bearer sigra_sk_bad' }, 'POST'),
    ];
    const malformed = await ask('/api/tokens', { authorization: 'Bearer' });
    const signedIn = await ask('/api/tokens', { 'x-session-user': user.id });

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    for (const { headers } of answers) expect(headers.get('www-authenticate')).toContain(parameter);
    expect(answers[0]!.headers.get('www-authenticate')).toBe(`Bearer realm="api", ${parameter}`);
    expect([malformed.status, malformed.headers.get('www-authenticate')]).toEqual([
      400,
      expect.not.stringContaining('resource_metadata'),
    ]);
    expect(signedIn.status).toBe(200);
  });

  it.each([
    ['alone', undefined],
    [
      'beside the CORS of the application',
      (app: INestApplication) => app.enableCors({ origin: 'https://app.example', credentials: true }),
    ],
    ['beside CORS that fails for other origins', (app: INestApplication) => app.enableCors({ origin: refuseOrigins })],
  ])('can be read by pages of every origin, as can the keys, %s', async (_what, prepare) => {
    const { url } = await start({ metadata: { resource: 'https://issuer.example' } }, prepare);
    const origin = 'https://page.example';

    for (const path of [SERVER, RESOURCE, KEYS]) {
      const simple = await fetch(url + path, { headers: { origin } });
      const preflight = await fetch(url + path, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'GET',
          'access-control-request-headers': 'mcp-protocol-version',
        },
      });
      const head = await fetch(url + path, { method: 'HEAD' });
      const post = await fetch(url + path, { method: 'POST' });

      // Two headers would be read as one, with a comma.
      expect([path, simple.status, simple.headers.get('access-control-allow-origin')]).toEqual([path, 200, '*']);
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect(post.status).toBe(404);
      expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
      expect(preflight.headers.get('access-control-allow-methods')).toContain('GET');
      expect(preflight.headers.get('access-control-allow-headers')).toBe('*');
    }
  });

  it.each([
    [{ resource: 'myapp' }, 'metadata.resource'],
    [{ resource: 'https://myapp.example/?x' }, 'metadata.resource'],
    [{ resource: 'https://myapp.example/#x' }, 'metadata.resource'],
    [{ resource: 'https://user@myapp.example' }, 'metadata.resource'],
    [{ resource: 'https://myapp.example/"x' }, 'metadata.resource'],
    [{ resource: 'javascript:alert(1)' }, 'metadata.resource'],
    [{ baseUrl: '/app' }, 'metadata.baseUrl'],
    [{ authorizationServers: ['login'] }, 'metadata.authorizationServers'],
    [{ scopes: ['READ'] }, 'metadata.scopes'],
  ])('is refused at boot with %j', async (invalid, option) => {
    await expect(start({ metadata: invalid })).rejects.toThrow(option);
  });
});
