import { Controller, Get, UseGuards } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AllowAnonymous,
  BearerAuthGuard,
  CurrentPrincipal,
  OptionalAuth,
  type Principal,
  RequireScopes,
  ScopeGuard,
  SessionAuthGuard,
} from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';
import { answerOf, insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';

@Controller('bearer')
@UseGuards(BearerAuthGuard)
class BearerController {
  @Get()
  me(@CurrentPrincipal() { method }: Principal) {
    return { method };
  }

  @Get('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { ok: true };
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return { method: principal?.method ?? null };
  }
}

@Controller('session')
@UseGuards(SessionAuthGuard)
class SessionController {
  @Get()
  me(@CurrentPrincipal() { method }: Principal) {
    return { method };
  }

  @Get('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { ok: true };
  }
}

@Controller('scopes-only')
@UseGuards(ScopeGuard)
class ScopesOnlyController {
  @Get()
  @RequireScopes('read:notes')
  scoped() {
    return { ok: true };
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return { ok: true };
  }
}

@Controller('unguarded')
class UnguardedController {
  @Get()
  @RequireScopes('read:notes')
  scoped(@CurrentPrincipal() principal?: Principal) {
    return { userId: principal?.userId ?? null };
  }
}

describe.each(ADAPTERS)('A guard by itself on %s', (adapter) => {
  let test: TestApp;
  let rawToken: string;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: [BearerController, SessionController, ScopesOnlyController, UnguardedController],
      configure: withoutGlobalGuard,
    });
    ({ rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] }));
  });
  afterAll(() => test.close());

  const anonymous = () => ({});
  const inSession = () => ({ 'x-session-user': test.user.id });
  const withToken = () => ({ authorization: `Bearer ${rawToken}` });
  const get = async (path: string, headers: Record<string, string>) =>
    answerOf(await fetch(test.url + path, { headers }));
  const ok = (body: unknown) => ({ status: 200, challenge: null, body });

  it('BearerAuthGuard accepts tokens only', async () => {
    expect(await get('/bearer', withToken())).toEqual(ok({ method: 'api_token' }));
    expect(await get('/bearer', inSession())).toEqual(UNAUTHORIZED);
    expect(await get('/bearer', anonymous())).toEqual(UNAUTHORIZED);
    expect(await get('/bearer', { ...inSession(), authorization: 'Bearer sigra_sk_x' })).toEqual(INVALID_TOKEN);
  });

  it('BearerAuthGuard treats a session as anonymous where authentication is optional', async () => {
    expect(await get('/bearer/optional', inSession())).toEqual(ok({ method: null }));
    expect(await get('/bearer/optional', withToken())).toEqual(ok({ method: 'api_token' }));
  });

  it('BearerAuthGuard enforces the scopes of the route', async () => {
    expect(await get('/bearer/scoped', withToken())).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('SessionAuthGuard accepts sessions only, and none beside an Authorization header', async () => {
    expect(await get('/session', inSession())).toEqual(ok({ method: 'session' }));
    expect(await get('/session/scoped', inSession())).toEqual(ok({ ok: true }));
    expect(await get('/session', withToken())).toEqual(UNAUTHORIZED);
    expect(await get('/session', { ...inSession(), ...withToken() })).toEqual(UNAUTHORIZED);
    expect(await get('/session', anonymous())).toEqual(UNAUTHORIZED);
  });

  it('ScopeGuard refuses a caller that nothing has authenticated', async () => {
    expect(await get('/scopes-only', withToken())).toEqual(UNAUTHORIZED);
    expect(await get('/scopes-only', inSession())).toEqual(UNAUTHORIZED);
    expect(await get('/scopes-only', anonymous())).toEqual(UNAUTHORIZED);
    expect(await get('/scopes-only/open', anonymous())).toEqual(ok({ ok: true }));
  });

  it('without a guard there is an error in place of a principal, whatever the request contains', async () => {
    expect((await get('/unguarded', withToken())).status).toBe(500);
  });
});

describe.each(ADAPTERS)('Guards beside the global one on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter, controllers: [BearerController, SessionController, ScopesOnlyController] });
  });
  afterAll(() => test.close());

  it('narrow the credentials that the global one accepts', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const withToken = { authorization: `Bearer ${rawToken}` };
    const inSession = { 'x-session-user': test.user.id };
    const statusOf = async (path: string, headers: Record<string, string>) =>
      (await fetch(test.url + path, { headers })).status;

    expect(await statusOf('/bearer', withToken)).toBe(200);
    expect(await statusOf('/bearer', inSession)).toBe(401);
    expect(await statusOf('/session', withToken)).toBe(401);
    expect(await statusOf('/session', inSession)).toBe(200);
    expect(await statusOf('/scopes-only', withToken)).toBe(200);
  });
});
