import { inspect } from 'node:util';
import { Controller, Get, Head, Inject, Options, Post, Redirect, Scope, Sse } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CurrentPrincipal, CurrentUser, type Principal, RequireScopes } from 'nestjs-sigra';
import { Observable, of } from 'rxjs';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, startTestApp, type TestApp, User } from '../support/test-app.js';
import { answerOf, insufficientScope, UNAUTHORIZED } from '../support/answers.js';

@Controller({ path: 'scoped-to-request', scope: Scope.REQUEST })
class RequestScopedController {
  constructor(@Inject(REQUEST) private readonly request: { sigra?: Principal<User>; user?: User }) {}

  @Get()
  @RequireScopes('read:notes')
  get() {
    return { inRequest: this.request.sigra?.user.email, user: this.request.user?.email };
  }
}

@Controller('handlers')
class HandlerController {
  @Get('user')
  user(@CurrentUser() user: User, @CurrentPrincipal() principal: Principal) {
    return { isEntity: user instanceof User, sameAsPrincipal: user === principal.user, keys: Object.keys(user) };
  }

  @Get('properties')
  properties(
    @CurrentUser('email') email: string,
    @CurrentUser('disabledAt') disabledAt: Date | null,
    @CurrentUser('nothing') nothing?: unknown,
  ) {
    return { email, disabledAt, nothing: nothing === undefined };
  }

  @Head('only-head')
  @RequireScopes('read:notes')
  head() {
    return undefined;
  }

  @Options('options')
  @RequireScopes('read:notes')
  options() {
    return { ok: true };
  }

  @Get('redirect')
  @Redirect('https://elsewhere.example')
  redirect() {
    return undefined;
  }

  @Sse('events')
  events(@CurrentUser('email') email: string): Observable<{ data: string }> {
    return of({ data: email });
  }

  @Get('token')
  token(@CurrentPrincipal() principal: Principal) {
    const { name, description, metadata } = principal.token ?? {};
    const shown = [JSON.stringify(principal), inspect(principal), inspect({ ...principal }, { showHidden: true })];
    return { name, description, metadata, isShown: shown.some((text) => text.includes('acme')) };
  }

  @Post('mutate')
  mutate(@CurrentUser() user: User) {
    user.email = 'changed@example.com';
    return { email: user.email };
  }
}

describe.each(ADAPTERS)('Handlers behind the guard on %s', (adapter) => {
  let test: TestApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startTestApp({ adapter, controllers: [RequestScopedController, HandlerController] });
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    headers = { authorization: `Bearer ${rawToken}` };
  });
  afterAll(() => test.close());

  const send = (path: string, init?: RequestInit) => fetch(test.url + path, { headers, ...init });
  const json = async (path: string): Promise<unknown> => (await send(path)).json();

  it('get the user as an entity of the host, with the columns selected by default', async () => {
    expect(await json('/handlers/user')).toEqual({
      isEntity: true,
      sameAsPrincipal: true,
      keys: expect.not.arrayContaining(['passwordHash']),
    });
  });

  it('get single properties of the user', async () => {
    expect(await json('/handlers/properties')).toEqual({
      email: 'ada@example.com',
      disabledAt: null,
      nothing: true,
    });
  });

  it('get a separate user object for each request', async () => {
    const bodies = await Promise.all([
      send('/handlers/mutate', { method: 'POST' }).then((response) => response.json()),
      ...Array.from({ length: 20 }, () => json('/handlers/properties')),
    ]);

    expect(bodies[0]).toEqual({ email: 'changed@example.com' });
    expect(bodies.slice(1)).toEqual(
      Array.from({ length: 20 }, () => expect.objectContaining({ email: 'ada@example.com' })),
    );
  });

  it('get the texts and metadata of the API token with the query of the guard, and do not show them by accident', async () => {
    const noted = { name: 'CI', description: 'Deploys for acme', metadata: { customer: 'acme' } };
    const { rawToken } = await test.tokens.create(test.user, { ...noted, scopes: ['read:notes'] });
    const log = QueryLog.of(test.dataSource);

    const answer = await send('/handlers/token', { headers: { authorization: `Bearer ${rawToken}` } });

    expect(await answer.json()).toEqual({ ...noted, isShown: false });
    expect(log.queries).toHaveLength(1);
    const inSession = await send('/handlers/token', { headers: { 'x-session-user': test.user.id } });
    expect(await inSession.json()).toEqual({ isShown: false });
  });

  it('see the principal when they are request-scoped', async () => {
    expect(await json('/scoped-to-request')).toEqual({ inRequest: 'ada@example.com', user: 'ada@example.com' });
  });

  it('are guarded when they are request-scoped', async () => {
    const anonymous = await fetch(`${test.url}/scoped-to-request`);
    const { rawToken } = await test.tokens.create(test.user, { name: 'admin', scopes: ['admin'] });
    const weak = await fetch(`${test.url}/scoped-to-request`, { headers: { authorization: `Bearer ${rawToken}` } });

    expect(await answerOf(anonymous)).toEqual(UNAUTHORIZED);
    expect(await answerOf(weak)).toEqual(insufficientScope(['read:notes'], ['read:notes']));
  });

  it('of GET are guarded in the same way for HEAD', async () => {
    const anonymous = await fetch(`${test.url}/notes`, { method: 'HEAD' });
    const authenticated = await send('/notes', { method: 'HEAD' });

    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get('www-authenticate')).toBe(UNAUTHORIZED.challenge);
    expect(await anonymous.text()).toBe('');
    expect(authenticated.status).toBe(200);
  });

  it('of HEAD and OPTIONS are guarded', async () => {
    expect((await fetch(`${test.url}/handlers/only-head`, { method: 'HEAD' })).status).toBe(401);
    expect((await send('/handlers/only-head', { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${test.url}/handlers/options`, { method: 'OPTIONS' })).status).toBe(401);
    expect((await send('/handlers/options', { method: 'OPTIONS' })).status).toBe(200);
  });

  it('of streams and redirects are guarded before anything is sent', async () => {
    const [stream, redirect] = await Promise.all([
      fetch(`${test.url}/handlers/events`),
      fetch(`${test.url}/handlers/redirect`, { redirect: 'manual' }),
    ]);

    expect(await answerOf(stream)).toEqual(UNAUTHORIZED);
    expect(await answerOf(redirect)).toEqual(UNAUTHORIZED);
    expect(await (await send('/handlers/events')).text()).toContain('ada@example.com');
  });

  it('that do not exist are answered 404, with or without a credential', async () => {
    expect((await fetch(`${test.url}/nowhere`)).status).toBe(404);
    expect((await send('/nowhere')).status).toBe(404);
  });
});
