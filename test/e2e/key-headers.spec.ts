import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, type Type, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { BearerAuthGuard, CurrentPrincipal, type Principal, SessionAuthGuard, SigraJwtService } from 'nestjs-sigra';
import { INVALID_TOKEN, invalidRequest, MALFORMED_HEADER, TWO_CREDENTIALS, UNAUTHORIZED } from '../support/answers.js';
import { JWT } from '../support/jwt-app.js';
import { sendRaw } from '../support/raw-http.js';
import { ADAPTERS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';

function controllerOf(guard: Type<object>, path: string): Type<object> {
  @Controller(path)
  @UseGuards(guard)
  class GuardedController {
    @Get()
    get(@CurrentPrincipal() principal?: Principal) {
      return { method: principal?.method ?? null };
    }

    @Post()
    post(@CurrentPrincipal() principal?: Principal) {
      return { method: principal?.method ?? null };
    }
  }
  return GuardedController;
}

const CONTROLLERS = [
  controllerOf(BearerAuthGuard, 'bearer'),
  controllerOf(SessionAuthGuard, 'session'),
  controllerOf(AuthGuard('bearer'), 'passport'),
];

describe.each(ADAPTERS)('API tokens in headers of their own, on %s', (adapter) => {
  let test: TestApp;
  let rawToken: string;
  let other: string;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: CONTROLLERS,
      configure: withoutGlobalGuard,
      sigra: { jwt: JWT, credentials: { headers: ['Authorization', 'X-Api-Key', 'x-service-token'] } },
    });
    const issue = async () =>
      (await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes', 'api_tokens:read'] })).rawToken;
    [rawToken, other] = [await issue(), await issue()];
  });
  afterAll(() => test.close());

  const send = (path: string, ...headers: string[]) =>
    sendRaw(test.url, [`GET ${path} HTTP/1.1`, 'Host: a', ...headers]);
  const post = (path: string, ...headers: string[]) =>
    sendRaw(test.url, [`POST ${path} HTTP/1.1`, 'Host: a', 'Content-Length: 0', ...headers]);
  const accepted = { status: 200, challenge: null, body: { method: 'api_token' } };

  it.each(['X-Api-Key', 'x-api-key', 'X-API-KEY', 'X-Service-Token'])('are accepted in %s', async (name) => {
    expect(await send('/bearer', `${name}: ${rawToken}`)).toEqual(accepted);
    expect(await send('/bearer', `${name}:   ${rawToken}  `)).toEqual(accepted);
  });

  it('are accepted by the ready-made controllers', async () => {
    expect((await send('/api/tokens', `X-Api-Key: ${rawToken}`)).status).toBe(200);
    expect((await send('/api/scopes', `X-Api-Key: ${rawToken}`)).status).toBe(200);
  });

  it('are accepted by the guard of Passport', async () => {
    expect((await send('/passport', `X-Api-Key: ${rawToken}`)).status).toBe(200);
    expect(await send('/passport', 'X-Api-Key: sigra_sk_unknown')).toEqual(INVALID_TOKEN);
  });

  it('are ignored under any other name', async () => {
    expect(await send('/bearer', `X-Api-Token: ${rawToken}`)).toEqual(UNAUTHORIZED);
  });

  it('have no scheme', async () => {
    const malformed = invalidRequest('The X-Api-Key header is malformed.');

    expect(await send('/bearer', `X-Api-Key: Bearer ${rawToken}`)).toEqual(malformed);
    expect(await send('/bearer', 'X-Api-Key: ')).toEqual(malformed);
    expect(await send('/bearer', `X-Api-Key: ${rawToken}, ${rawToken}`)).toEqual(malformed);
  });

  it('are refused when the header is repeated, even with the same token', async () => {
    const several = invalidRequest('The request has several X-Api-Key headers.');

    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, `x-api-key: ${rawToken}`)).toEqual(several);
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, `x-api-key: ${other}`)).toEqual(several);
    expect(await send('/bearer', 'X-Api-Key: ', `x-api-key: ${other}`)).toEqual(several);
  });

  it('are refused beside another credential', async () => {
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, `Authorization: Bearer ${other}`)).toEqual(TWO_CREDENTIALS);
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, `X-Service-Token: ${other}`)).toEqual(TWO_CREDENTIALS);
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, 'Authorization: Bearer eyJhbGciOi')).toEqual(
      TWO_CREDENTIALS,
    );
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, 'Authorization: Bearer')).toEqual(MALFORMED_HEADER);
  });

  it('are accepted twice if they are the same, and beside a scheme that is not of Sigra', async () => {
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, `Authorization: Bearer ${rawToken}`)).toEqual(accepted);
    expect(await send('/bearer', `X-Api-Key: ${rawToken}`, 'Authorization: Basic cHJveHk6c2VjcmV0')).toEqual(accepted);
  });

  it('are the only credentials there: JWTs and anything else are refused', async () => {
    const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);

    expect(await send('/bearer', `Authorization: Bearer ${accessToken}`)).toMatchObject({ status: 200 });
    expect(await send('/bearer', `X-Api-Key: ${accessToken}`)).toEqual(INVALID_TOKEN);
    expect(await send('/bearer', 'X-Api-Key: something-else')).toEqual(INVALID_TOKEN);
  });

  it('make a request that is not one of a session', async () => {
    const session = `x-session-user: ${test.user.id}`;
    const crossOrigin = ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site'];

    expect(await send('/session', session)).toMatchObject({ status: 200, body: { method: 'session' } });
    expect(await send('/session', session, `X-Api-Key: ${rawToken}`)).toEqual(UNAUTHORIZED);
    expect(await post('/bearer', session, `X-Api-Key: ${rawToken}`, ...crossOrigin)).toMatchObject({
      status: 201,
      body: { method: 'api_token' },
    });
    expect(await send('/bearer', session, 'X-Api-Key: sigra_sk_unknown')).toEqual(INVALID_TOKEN);
  });

  it('are refused in the query, and the answer names every header', async () => {
    const names = 'Authorization or X-Api-Key or X-Service-Token';

    expect(await send(`/bearer?access_token=${rawToken}`)).toEqual(
      invalidRequest(`Access tokens are accepted in the ${names} header only.`),
    );
    expect(await send(`/bearer?x-api-key=${rawToken}`)).toEqual(UNAUTHORIZED);
  });
});

describe('API tokens in headers of their own', () => {
  it('are not accepted by default', async () => {
    const test = await startTestApp();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    const answer = await sendRaw(test.url, ['GET /notes HTTP/1.1', 'Host: a', `X-Api-Key: ${rawToken}`]);
    await test.close();

    expect(answer).toEqual(UNAUTHORIZED);
  });
});
