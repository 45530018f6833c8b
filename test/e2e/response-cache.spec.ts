import { CacheInterceptor, CacheKey, CacheModule } from '@nestjs/cache-manager';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type NestInterceptor,
  type Type,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import {
  AllowAnonymous,
  ApiTokenService,
  CachesPerPrincipal,
  CurrentPrincipal,
  type HostCredential,
  type HostRequest,
  OptionalAuth,
  perPrincipal,
  type Principal,
  RequireScopes,
  type RouteChecking,
  SigraAuthGuard,
  SigraJwtService,
} from 'nestjs-sigra';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

let calls = 0;

@Controller('mine')
class MineController {
  @Get()
  @RequireScopes('read:notes')
  mine(@CurrentPrincipal() { userId, scopes }: Principal) {
    return { call: ++calls, userId, scopes };
  }

  @Get('either')
  @OptionalAuth()
  either(@CurrentPrincipal() principal?: Principal) {
    return { call: ++calls, userId: principal?.userId ?? null };
  }

  @Get('public')
  @AllowAnonymous()
  public() {
    return { call: ++calls };
  }

  @Get('same')
  @CacheKey('same for every caller')
  @RequireScopes('read:notes')
  same() {
    return { call: ++calls };
  }
}

@Injectable()
@CachesPerPrincipal()
class AppCacheInterceptor extends CacheInterceptor {
  protected override trackBy(context: ExecutionContext) {
    return perPrincipal(context, super.trackBy(context));
  }
}

/** Looks like a remedy, and forgets the sessions. */
@Injectable()
class ByHeaderInterceptor extends CacheInterceptor {
  protected override trackBy(context: ExecutionContext) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    const key = super.trackBy(context);
    return typeof key === 'string' ? `${headers.authorization ?? ''} ${key}` : undefined;
  }
}

interface Caching {
  readonly interceptor?: Type<NestInterceptor>;
  readonly controllers?: Type<object>[];
  readonly mounted?: Record<string, string>;
  readonly routes?: RouteChecking;
  /** Whether the application has no global guard. @default false */
  readonly withoutGuard?: boolean;
  readonly adapter?: (typeof ADAPTERS)[number];
}

/** Credentials of the host: the user in one header, and the id, if there is one, in another. */
function ofHeaders({ headers }: HostRequest): HostCredential | undefined {
  const { 'x-host-user': userId, 'x-host-id': id } = headers as Record<string, string | undefined>;
  return userId === undefined ? undefined : { userId, scopes: ['read:notes'], ...(id !== undefined && { id }) };
}

let test: TestApp;
beforeAll(async () => {
  test = await startTestApp();
});
afterAll(() => test.close());

function start({ interceptor, controllers = [], mounted = {}, routes = 'error', ...rest }: Caching) {
  const { adapter = 'express', withoutGuard = false } = rest;
  return startHost({
    adapter,
    ...(withoutGuard && { guard: null }),
    databaseUrl: test.databaseUrl,
    sigra: { jwt: JWT, routes, controllers: mounted, credentials: { resolve: ofHeaders } },
    imports: [CacheModule.register({ isGlobal: true, ttl: 60_000 })],
    controllers,
    providers: interceptor ? [{ provide: APP_INTERCEPTOR, useClass: interceptor }] : [],
  });
}

async function get(host: HostApp, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${host.url}/${path}`, { headers });
  return (await response.json()) as Record<string, unknown>;
}

describe.each(ADAPTERS)('A global interceptor that caches with perPrincipal(), on %s', (adapter) => {
  let host: HostApp;
  const bearer = async (user = test.user, scopes = ['*']) => {
    const { rawToken, token } = await host.app.get(ApiTokenService).create(user, { name: 'CI', scopes });
    return { headers: { authorization: `Bearer ${rawToken}` }, id: token.id };
  };

  beforeAll(async () => {
    const mounted = { ...SIGRA_OPTIONS.controllers, jwt: 'api/jwt' };
    host = await start({ interceptor: AppCacheInterceptor, controllers: [MineController], mounted, adapter });
  });
  afterAll(() => host.close());

  it('gives the answer to a credential only to this credential', async () => {
    const grace = await test.addUser(`grace-${adapter}@example.com`);
    const [first, second, other] = [await bearer(), await bearer(), await bearer(grace)];

    const answer = await get(host, 'mine', first.headers);

    expect(await get(host, 'mine', first.headers)).toEqual(answer);
    expect(await get(host, 'mine', second.headers)).not.toEqual(answer);
    expect(await get(host, 'mine', other.headers)).toMatchObject({ userId: grace.id });
    expect(await get(host, 'mine', { 'x-session-user': grace.id })).toMatchObject({ userId: grace.id });
    expect(await get(host, 'mine', { 'x-session-user': test.user.id })).toMatchObject({ userId: test.user.id });
  });

  it('keeps credentials of the host apart by their id, and caches nothing for those without one', async () => {
    const ask = (headers: Record<string, string>) => get(host, 'mine', { 'x-host-user': test.user.id, ...headers });

    const [first, again, other] = [
      await ask({ 'x-host-id': '1' }),
      await ask({ 'x-host-id': '1' }),
      await ask({ 'x-host-id': '2' }),
    ];
    const [unnamed, another] = [await ask({}), await ask({})];

    expect(again).toEqual(first);
    expect(new Set([first, other, unnamed, another].map(({ call }) => call)).size).toBe(4);
  });

  it('never gives an answer to a principal to a request without a credential', async () => {
    const { headers } = await bearer();

    const [own, open] = [await get(host, 'mine/either', headers), await get(host, 'mine/either')];

    expect([own.userId, open.userId]).toEqual([test.user.id, null]);
    expect(await get(host, 'mine/either', headers)).toEqual(own);
    expect(await get(host, 'mine/either')).toEqual(open);
  });

  it('refuses a revoked credential whose answer is cached', async () => {
    const { headers, id } = await bearer();
    await get(host, 'mine', headers);

    await host.app.get(ApiTokenService).revoke(id);

    expect(await get(host, 'mine', headers)).toMatchObject({ statusCode: 401 });
  });

  it('still caches what is public', async () => {
    const { headers } = await bearer();

    expect(await get(host, 'mine/public')).toEqual(await get(host, 'mine/public', headers));
  });

  it('keeps the answers of a named key apart, too', async () => {
    const [first, second] = [await bearer(), await bearer()];

    const answer = await get(host, 'mine/same', first.headers);

    expect(await get(host, 'mine/same', first.headers)).toEqual(answer);
    expect(await get(host, 'mine/same', second.headers)).not.toEqual(answer);
  });

  it('caches nothing of the ready-made controllers', async () => {
    const { headers } = await bearer();
    const count = async () => ((await get(host, 'api/tokens', headers)).tokens as unknown[]).length;
    const before = await count();

    await bearer();

    expect(await count()).toBe(before + 1);
    expect(await get(host, 'api/jwt', headers)).toMatchObject({ families: [] });
  });
});

@Controller('named')
class NamedController {
  @Get('list')
  @UseGuards(SigraAuthGuard)
  @UseInterceptors(CacheInterceptor)
  list() {
    return {};
  }
}

@Controller('passport')
class PassportController {
  @Get('list')
  @UseGuards(AuthGuard('bearer'))
  @UseInterceptors(CacheInterceptor)
  list() {
    return {};
  }
}

@Controller('ofclass')
@UseInterceptors(ByHeaderInterceptor)
class OfClassController {
  @Get('list')
  list() {
    return {};
  }
}

@Controller('common')
class CommonController {
  @Get('public')
  @AllowAnonymous()
  public() {
    return { call: ++calls };
  }

  @Get('same')
  @CacheKey('same for every caller')
  @RequireScopes('read:notes')
  same() {
    return { call: ++calls };
  }
}

describe('The check at boot of interceptors that cache', () => {
  it.each<[string, Caching, RegExp]>([
    [
      'a global one before a route with scopes',
      { interceptor: CacheInterceptor, controllers: [MineController] },
      /MineController\.mine answers a principal, but CacheInterceptor gives the answer to others/,
    ],
    [
      'a global one before a route with optional authentication',
      { interceptor: CacheInterceptor, controllers: [MineController] },
      /MineController\.either answers a principal/,
    ],
    [
      "one of a handler behind Passport's guard",
      { controllers: [PassportController], withoutGuard: true },
      /PassportController\.list answers/,
    ],
    ['one of a handler', { controllers: [NamedController] }, /NamedController\.list answers a principal/],
    [
      'one of a class, with a trackBy() of its own',
      { controllers: [OfClassController] },
      /OfClassController\.list answers a principal, but ByHeaderInterceptor/,
    ],
  ])('refuses %s', async (_what, caching, message) => {
    const refusal = start(caching).then((host) => host.close());

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'routes' });
    await expect(refusal).rejects.toThrow(message);
  });

  it('accepts public routes, and keys that the application names', async () => {
    const host = await start({ interceptor: CacheInterceptor, controllers: [CommonController] });
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const headers = { authorization: `Bearer ${rawToken}` };

    const answers = [await get(host, 'common/public'), await get(host, 'common/public')];
    const session = { 'x-session-user': test.user.id };
    const shared = [await get(host, 'common/same', headers), await get(host, 'common/same', session)];
    await host.close();

    expect(answers[0]).toEqual(answers[1]);
    expect(shared[0]).toEqual(shared[1]);
  });
});

describe.each(ADAPTERS)('The ready-made controllers behind a CacheInterceptor of Nest, on %s', (adapter) => {
  it.each(['error', 'off'] as const)('answer each caller themselves, with routes: %j', async (routes) => {
    const mounted = { ...SIGRA_OPTIONS.controllers, jwt: 'api/jwt' };
    const host = await start({ interceptor: CacheInterceptor, mounted, routes, adapter });
    const grace = await test.addUser(`grace-${adapter}-${routes}@example.com`);
    const [ada, other] = [{ 'x-session-user': test.user.id }, { 'x-session-user': grace.id }];
    await host.app.get(ApiTokenService).create(test.user, { name: 'CI', scopes: ['read:notes'] });
    await host.app.get(SigraJwtService).generateTokens(test.user, ['read:notes']);
    for (const path of ['api/tokens', 'api/jwt'])
      expect(await get(host, path, ada)).not.toEqual(await get(host, path, other));

    const [tokens, families] = [await get(host, 'api/tokens', other), await get(host, 'api/jwt', other)];
    const scopes = await fetch(`${host.url}/api/scopes`, { headers: other });
    await host.close();

    expect([tokens.tokens, families.families]).toEqual([[], []]);
    expect(scopes.headers.get('cache-control')).toBe('no-store');
  });
});
