import { Controller, Get, Param, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ApiTokenOptions,
  AllowAnonymous,
  can,
  CurrentPrincipal,
  OptionalAuth,
  type Principal,
  RequireScopes,
  requireScopes,
  scopeRules,
} from 'nestjs-sigra';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, insufficientScope, UNAUTHORIZED } from '../support/answers.js';

@Controller('folders')
class FolderController {
  @Get('all/:action')
  all(@CurrentPrincipal() principal: Principal, @Param('action') action: string) {
    requireScopes(principal, 'read:notes', `${action}:notes`);
    return { userId: principal.userId };
  }

  @Get('any')
  any(@CurrentPrincipal() principal: Principal) {
    requireScopes(principal, { any: ['read:notes', 'admin'] });
    return { userId: principal.userId };
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    requireScopes(principal, 'read:notes');
    return { userId: principal.userId };
  }

  @Get('can')
  can(@CurrentPrincipal() principal: Principal) {
    const read = ['read:notes'];
    return [
      can(principal, read),
      can(principal, read, { match: 'any' }),
      can(principal, read, { rules: scopeRules({ writeImpliesRead: true }) }),
      can(principal, read, { rules: scopeRules({}) }),
    ];
  }

  @Get('principal')
  principal(@CurrentPrincipal() principal: Principal) {
    return { json: { ...principal, user: null }, symbols: Object.getOwnPropertySymbols(principal).length };
  }

  @Get('nothing')
  nothing(@CurrentPrincipal() principal: Principal) {
    (requireScopes as (principal: Principal, ...scopes: string[]) => void)(principal);
  }

  @Get('route')
  @RequireScopes('read:notes')
  route() {
    return { ok: true };
  }
}

@Controller('passport')
@UseGuards(AuthGuard('bearer'))
@AllowAnonymous()
class PassportController {
  @Get()
  get(@CurrentPrincipal() principal: Principal) {
    requireScopes(principal, 'read:notes');
    return { userId: principal.userId };
  }
}

const start = (adapter: (typeof ADAPTERS)[number], apiTokens: ApiTokenOptions) =>
  startTestApp({
    adapter,
    controllers: [FolderController, PassportController],
    sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, ...apiTokens } },
  });

/** Sends a request with a new token that has the scopes. */
async function get(test: TestApp, path: string, ...scopes: string[]) {
  const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes });
  return answerOf(await fetch(test.url + path, { headers: { authorization: `Bearer ${rawToken}` } }));
}

const allowed = (test: TestApp) => ({ status: 200, challenge: null, body: { userId: test.user.id } });

describe.each(ADAPTERS)('requireScopes() in a handler on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await start(adapter, {});
  });
  afterAll(() => test.close());

  it('lets a principal pass that holds all scopes', async () => {
    expect(await get(test, '/folders/all/write', 'read:notes', 'write:notes')).toEqual(allowed(test));
    expect(await get(test, '/folders/all/write', '*')).toEqual(allowed(test));
  });

  it('answers 403 with a challenge, and lists the required and the missing scopes', async () => {
    expect(await get(test, '/folders/all/write', 'read:notes')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['write:notes']),
    );
    expect(await get(test, '/folders/all/write', 'profile:read')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['read:notes', 'write:notes']),
    );
  });

  it('accepts one of several alternatives, and lists all of them when none is held', async () => {
    expect(await get(test, '/folders/any', 'admin')).toEqual(allowed(test));
    expect(await get(test, '/folders/any', 'write:notes')).toEqual(
      insufficientScope(['read:notes', 'admin'], ['read:notes', 'admin']),
    );
  });

  it('answers 401 without an error code when there is no principal', async () => {
    expect(await answerOf(await fetch(`${test.url}/folders/optional`))).toEqual(UNAUTHORIZED);
    expect(await get(test, '/folders/optional', 'read:notes')).toEqual(allowed(test));
  });

  it('applies the scopes of a session', async () => {
    const response = await fetch(`${test.url}/folders/any`, { headers: { 'x-session-user': test.user.id } });

    expect(await answerOf(response)).toEqual(allowed(test));
  });

  it('checks a principal that passport authenticated', async () => {
    expect(await get(test, '/passport', 'read:notes')).toEqual(allowed(test));
    expect(await get(test, '/passport', 'write:notes')).toEqual(insufficientScope(['read:notes'], ['read:notes']));
  });

  it('answers 500 when the handler names no scope, and does not let the request pass', async () => {
    expect((await get(test, '/folders/nothing', '*')).status).toBe(500);
  });

  it('leaves the principal unmarked', async () => {
    expect((await get(test, '/folders/principal', '*')).body).toMatchObject({ symbols: 1 });
  });

  it('does not let write imply read', async () => {
    expect(await get(test, '/folders/all/write', 'write:notes')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['read:notes']),
    );
    expect((await get(test, '/folders/can', 'write:notes')).body).toEqual([false, false, true, false]);
  });
});

describe.each(ADAPTERS)('a scope that implies others, on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await start(adapter, {
      scopes: [{ name: 'editor', title: 'Edit notes', implies: ['write:notes'] }, 'write:notes', 'read:notes', 'admin'],
      writeImpliesRead: true,
    });
  });
  afterAll(() => test.close());

  it('grants them on routes, in handlers, and behind passport', async () => {
    expect((await get(test, '/folders/route', 'editor')).status).toBe(200);
    expect(await get(test, '/folders/all/write', 'editor')).toEqual(allowed(test));
    expect(await get(test, '/folders/any', 'editor')).toEqual(allowed(test));
    expect(await get(test, '/passport', 'editor')).toEqual(allowed(test));
    expect((await get(test, '/folders/can', 'editor')).body).toEqual([true, true, false, false]);
  });

  it('grants no other scope, and is not granted by those that it implies', async () => {
    expect(await get(test, '/folders/all/delete', 'editor')).toEqual(
      insufficientScope(['read:notes', 'delete:notes'], ['delete:notes']),
    );
    const { rawToken } = await test.tokens.create(test.user, {
      name: 'CI',
      scopes: ['write:notes', 'api_tokens:write'],
    });
    const answer = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'wider', scopes: ['editor'] }),
    });
    expect(answer.status).toBe(403);
  });

  it('lets a token grant them to another token', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['editor', 'api_tokens:write'] });
    const answer = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'narrower', scopes: ['read:notes', 'write:notes'] }),
    });
    expect(answer.status).toBe(201);
  });
});

describe.each(ADAPTERS)('requireScopes() and can() where write implies read, on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await start(adapter, { writeImpliesRead: true });
  });
  afterAll(() => test.close());

  it('grant read for write, as the guard does', async () => {
    expect((await get(test, '/folders/route', 'write:notes')).status).toBe(200);
    expect(await get(test, '/folders/all/write', 'write:notes')).toEqual(allowed(test));
    expect(await get(test, '/folders/any', 'write:notes')).toEqual(allowed(test));
    expect(await get(test, '/folders/optional', 'write:notes')).toEqual(allowed(test));
  });

  it('still refuse a scope that is not held', async () => {
    expect(await get(test, '/folders/all/write', 'read:notes')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['write:notes']),
    );
  });

  it('grant read for write to a principal that passport authenticated', async () => {
    expect(await get(test, '/passport', 'write:notes')).toEqual(allowed(test));
  });

  it('follow the option of the application unless can() has its own', async () => {
    expect((await get(test, '/folders/can', 'write:notes')).body).toEqual([true, true, true, false]);
  });

  it('leave the principal as it looks without the option', async () => {
    const { body } = await get(test, '/folders/principal', 'write:notes');

    expect(body).toEqual({
      json: {
        user: null,
        userId: test.user.id,
        owner: { type: 'user', id: test.user.id },
        method: 'api_token',
        scopes: ['write:notes'],
        tokenId: expect.any(String),
      },
      symbols: 2,
    });
  });
});
