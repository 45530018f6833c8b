import { Body, Controller, Get, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Caller, CurrentCaller, type IssuedApiToken, RequireScopes, SigraJwtService } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { INVALID_TOKEN } from '../support/answers.js';
import { ForeignIssuer } from '../support/foreign-issuer.js';
import { claimsOf, closeJwtApps, JWT } from '../support/jwt-app.js';
import { ecKey } from '../support/jwt-forge.js';
import { type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { sendFrom } from '../support/send-from.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

const HOME = '127.0.0.1';
const OFFICE = '127.0.0.2';
const ELSEWHERE = '127.0.0.3';
const BOTH = [HOME, OFFICE];
const SCOPES = ['read:notes', 'api_tokens:write'];

@Controller()
class LimitedController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Post('sign-in')
  signIn(@CurrentCaller() caller: Caller, @Body() { scopes }: { scopes: string[] }) {
    return this.jwt.generateTokens(caller.principal?.userId ?? '', scopes, caller);
  }

  @Get('first')
  @RequireScopes('read:notes', { resource: () => 'note:1' })
  first() {
    return {};
  }

  @Get('second')
  @RequireScopes('read:notes', { resource: () => 'note:2' })
  second() {
    return {};
  }
}

describe.each(ADAPTERS)('Limits of a token of a trusted issuer, on %s', (adapter) => {
  let issuer: ForeignIssuer;
  let server: OAuthApp;
  let test: TestApp;

  beforeAll(async () => {
    issuer = await ForeignIssuer.start();
    server = await startOAuthApp({ issuer: 'https://server.example', keys: [ecKey('key-1').option] });
    const jwksUri = `${server.url}/.well-known/jwks.json`;
    const ofServer = { issuer: 'https://server.example', audience: 'api', algorithms: ['ES256' as const], jwksUri };
    test = await startTestApp({
      adapter,
      clock: server.clock,
      controllers: [LimitedController],
      sigra: {
        jwt: JWT,
        trustedIssuers: trustIssuers([issuer.options(), { ...ofServer, owner: () => test.user.id }]),
      },
    });
  });
  afterAll(async () => {
    await test.close();
    await closeJwtApps();
    await issuer.close();
  });

  const sign = (claims: object) => issuer.sign(test.user.id, { claims: { scope: SCOPES.join(' '), ...claims } });
  const ask = (credential: string, from = HOME, path = '/notes') =>
    sendFrom(from, test.url, { path, headers: { authorization: `Bearer ${credential}` } });
  const statusesOf = async (credential: string, ...asked: (readonly [from: string, path: string])[]) => {
    const statuses: number[] = [];
    for (const [from, path] of asked) statuses.push((await ask(credential, from, path)).status);
    return statuses;
  };
  const post = (credential: string, path: string, body: object) =>
    sendFrom(HOME, test.url, { method: 'POST', path, body, headers: { authorization: `Bearer ${credential}` } });
  const create = (credential: string, more: object = {}) =>
    post(credential, '/api/tokens', { name: 'made', scopes: ['read:notes'], ...more });
  const fromEach = [HOME, OFFICE, ELSEWHERE].map((from) => [from, '/first'] as const);
  const forEach = ['/first', '/second', '/notes'].map((path) => [HOME, path] as const);

  it('are those of the API token that got it from another server', async () => {
    const { rawToken, token } = await server.tokens.create(server.user, {
      name: 'CI',
      scopes: SCOPES,
      allowedIps: BOTH,
      resources: ['note:1'],
    });
    const client = { client_id: token.id, client_secret: rawToken };
    const { access_token: jwt } = tokensIn(await server.post('token', { grant_type: 'client_credentials', ...client }));

    const made = (await create(jwt)).body as unknown as IssuedApiToken;

    expect(made.token).toMatchObject({ allowedIps: BOTH, resources: ['note:1'] });
    for (const credential of [jwt, made.rawToken]) {
      expect(await statusesOf(credential, ...fromEach)).toEqual([200, 200, 401]);
      expect(await statusesOf(credential, ...forEach)).toEqual([200, 403, 403]);
    }
  });

  it('refuse it from elsewhere as any other invalid token', async () => {
    const { status, challenge, body } = await ask(await sign({ allowed_ips: BOTH }), ELSEWHERE);

    expect({ status, challenge, body }).toEqual(INVALID_TOKEN);
  });

  it.each<[string, object]>([
    ['one address that is not in an array', { allowed_ips: HOME }],
    ['null for addresses', { allowed_ips: null }],
    ['the name of a host', { allowed_ips: [HOME, 'localhost'] }],
    ['an address in another form', { allowed_ips: [`${HOME}/32`] }],
    ['no address at all', { allowed_ips: [] }],
    ['one resource that is not in an array', { allowed_resources: 'note:1' }],
    ['null for resources', { allowed_resources: null }],
    ['a resource without an id', { allowed_resources: ['note:1', 'note'] }],
  ])('refuse it with %s', async (_what, claims) => {
    expect((await ask(await sign({}))).status).toBe(200);
    expect((await ask(await sign(claims))).status).toBe(401);
  });

  it('refuse it for all resources, if the list has none', async () => {
    expect(await statusesOf(await sign({ allowed_resources: [] }), ...forEach)).toEqual([403, 403, 403]);
  });

  it.each<[string, object]>([
    ['fewer addresses', { allowedIps: [OFFICE] }],
    ['fewer resources', { resources: ['note:1', 'folder:7'] }],
  ])('allow it to make a token with %s', async (_what, request) => {
    const jwt = await sign({ allowed_ips: BOTH, allowed_resources: ['note:1', 'folder:*'] });

    const { status, body } = await create(jwt, request);

    expect(status).toBe(201);
    expect(body.token).toMatchObject(request);
  });

  it.each<[string, string, object]>([
    ['another address', 'invalid_allowed_ips', { allowedIps: [ELSEWHERE] }],
    ['a range around its addresses', 'invalid_allowed_ips', { allowedIps: ['127.0.0.0/8'] }],
    ['another resource', 'invalid_resources', { resources: ['note:2'] }],
  ])('do not allow it to make a token with %s', async (_what, error, request) => {
    const jwt = await sign({ allowed_ips: BOTH, allowed_resources: ['note:1', 'folder:*'] });

    const { status, body } = await create(jwt, request);

    expect([status, body.error]).toEqual([400, error]);
  });

  it('hold for the sessions that it begins', async () => {
    const jwt = await sign({ allowed_ips: BOTH });

    const { status, body } = await post(jwt, '/sign-in', { scopes: ['read:notes'] });

    const { accessToken, refreshToken } = body as unknown as { accessToken: string; refreshToken: string };
    expect(status).toBe(201);
    expect(claimsOf(accessToken).allowed_ips).toEqual(BOTH);
    expect(await statusesOf(accessToken, ...fromEach)).toEqual([200, 200, 401]);
    const refresh = (ipAddress: string) => test.get(SigraJwtService).refresh(refreshToken, {}, { ipAddress });
    await expect(refresh(ELSEWHERE)).rejects.toMatchObject({ code: 'invalid_token' });
    expect(claimsOf((await refresh(OFFICE)).accessToken).allowed_ips).toEqual(BOTH);
  });
});
