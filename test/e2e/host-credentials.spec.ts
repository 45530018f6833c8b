import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, Controller, Get, Injectable, Post, type Type, UseGuards } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Query, Resolver } from '@nestjs/graphql';
import { jwtVerify, SignJWT } from 'jose';
import {
  AllowAnonymous,
  CredentialService,
  type HostCredential,
  type HostRequest,
  CurrentPrincipal,
  CurrentUser,
  ApiTokenService,
  type Principal,
  RequireScopes,
  ScopeGuard,
  SigraAuthGuard,
  SigraJwtService,
} from 'nestjs-sigra';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { INVALID_TOKEN } from '../support/answers.js';
import { apollo } from '../support/context-hosts.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { recordingLogger } from '../support/log-lines.js';
import { ADAPTERS, startTestApp, type TestApp, User } from '../support/test-app.js';

/** The JWTs that the application had before: of another issuer, with another secret. */
const SECRET = new TextEncoder().encode('the secret of the old tokens of this application');
const ISSUER = 'https://old.example';

function oldToken(userId: string, scopes: readonly string[], seconds = 3600): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  return new SignJWT({ scopes })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(ISSUER)
    .setSubject(userId)
    .setExpirationTime(exp)
    .sign(SECRET);
}

const SCHEME = /^Bearer (.+)$/;

async function ofOldToken({ headers }: HostRequest): Promise<HostCredential | undefined> {
  const sent = headers['x-old-token'] ?? SCHEME.exec(String(headers.authorization))?.[1];
  if (typeof sent !== 'string') return undefined;
  const verified = await jwtVerify(sent, SECRET, { issuer: ISSUER }).catch(() => undefined);
  if (!verified) return undefined;
  const { sub, scopes, exp } = verified.payload as { sub: string; scopes: string[]; exp: number };
  return { userId: sub, scopes, expiresAt: new Date(exp * 1000) };
}

@Controller('own')
class OwnController {
  constructor(
    private readonly tokens: ApiTokenService,
    private readonly credentials: CredentialService,
  ) {}

  @Post('outrun')
  async outrun(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    await this.credentials.lockOut(user);
    return this.tokens.create(user, { name: 'CI', scopes: ['read:notes'] }, { principal });
  }
}

describe.each(ADAPTERS)('Credentials of the host, on %s', (adapter) => {
  let test: TestApp;
  let resolve: (request: HostRequest) => unknown = ofOldToken;
  let asked = 0;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: [OwnController],
      sigra: {
        jwt: JWT,
        users: {
          entity: User,
          isActive: (user: User) => user.disabledAt === null,
          scopes: () => ['read:*', 'write:notes', 'api_tokens:*', 'sessions:*'],
        },
        credentials: {
          headers: ['authorization', 'x-api-key'],
          resolve: (request) => {
            asked++;
            return resolve(request) as HostCredential | undefined;
          },
        },
        controllers: { tokens: 'api/tokens', scopes: 'api/scopes', jwt: 'api/jwt' },
      },
    });
  });
  afterAll(() => test.close());
  beforeEach(() => {
    resolve = ofOldToken;
    asked = 0;
  });

  async function call(method: string, path: string, headers: Record<string, string>, body?: object) {
    const json = body && { 'content-type': 'application/json' };
    const response = await fetch(test.url + path, {
      method,
      headers: { ...headers, ...json },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as never };
  }
  const bearer = async (...scopes: string[]) => ({
    authorization: `Bearer ${await oldToken(test.user.id, scopes)}`,
  });

  it('make a principal, with the user, the stated scopes and their ceiling', async () => {
    const answer = await call('GET', '/notes/me', await bearer('read:notes', 'admin'));

    expect(answer).toEqual({
      status: 200,
      body: { userId: test.user.id, method: 'host', scopes: ['read:notes'], email: test.user.email },
    });
  });

  it('are asked for with every scheme, also with DPoP where Sigra does not use it', async () => {
    resolve = ({ headers }) =>
      /^(DPoP|Basic|Custom) mine$/i.test(String(headers.authorization))
        ? { userId: test.user.id, scopes: ['read:notes', 'write:notes'] }
        : undefined;
    const statuses = [];

    for (const scheme of ['DPoP', 'dpop', 'Basic', 'Custom']) {
      statuses.push((await call('GET', '/notes', { authorization: `${scheme} mine` })).status);
    }
    // No browser attaches it by itself.
    const fromElsewhere = {
      authorization: 'DPoP mine',
      origin: 'https://other.example',
      'sec-fetch-site': 'cross-site',
    };

    expect(statuses).toEqual([200, 200, 200, 200]);
    expect((await call('GET', '/notes', { authorization: 'DPoP theirs' })).status).toBe(401);
    expect((await call('POST', '/notes', fromElsewhere)).status).toBe(201);
  });

  it('are subject to the scopes of a route', async () => {
    const headers = await bearer('read:notes');

    expect((await call('GET', '/notes', headers)).status).toBe(200);
    expect(await call('POST', '/notes', headers)).toMatchObject({ status: 403, body: { missing: ['write:notes'] } });
  });

  it('manage API tokens with the ready-made controllers, which never grant more', async () => {
    const headers = await bearer('api_tokens:read', 'api_tokens:write', 'read:notes');
    const create = (...scopes: string[]) => call('POST', '/api/tokens', headers, { name: 'CI', scopes });

    const created = await create('read:notes');
    const { rawToken, token } = created.body as { rawToken: string; token: { id: string; expiresAt: string } };

    expect(created.status).toBe(201);
    expect(new Date(token.expiresAt).getTime()).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect((await call('GET', '/notes', { authorization: `Bearer ${rawToken}` })).status).toBe(200);
    expect((await create('write:notes')).status).toBe(403);
    expect((await call('GET', '/api/tokens', headers)).body).toMatchObject({ tokens: [{ id: token.id }] });
    expect((await call('DELETE', `/api/tokens/${token.id}`, headers)).status).toBe(204);
    expect((await call('GET', '/api/tokens', await bearer('read:notes'))).status).toBe(403);
  });

  it('list and end refresh families with the ready-made controller', async () => {
    await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);
    const headers = await bearer('sessions:read', 'sessions:write', 'read:notes');

    const { families } = (await call('GET', '/api/jwt', headers)).body as { families: { id: string }[] };

    expect(families.length).toBeGreaterThan(0);
    expect((await call('DELETE', `/api/jwt/${families[0]!.id}`, headers)).status).toBe(204);
  });

  it('leave API tokens, JWTs of Sigra and sessions as they are', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);
    const methodOf = async (headers: Record<string, string>) =>
      ((await call('GET', '/notes/me', headers)).body as { method: string }).method;

    expect(await methodOf({ authorization: `Bearer ${rawToken}` })).toBe('api_token');
    expect(await methodOf({ 'x-api-key': rawToken })).toBe('api_token');
    expect(asked).toBe(0);
    expect(await methodOf({ authorization: `Bearer ${accessToken}` })).toBe('jwt');
    expect(await methodOf({ 'x-session-user': test.user.id })).toBe('session');
    expect(asked).toBe(2);
  });

  it('are refused when the host does not know them, and when their user is inactive or does not exist', async () => {
    const blocked = await test.addUser(`blocked-${adapter}@example.com`);
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [blocked.id]);
    const of = async (token: string | Promise<string>) =>
      (await call('GET', '/notes/me', { authorization: `Bearer ${await token}` })).body as unknown;

    expect(await of(oldToken(blocked.id, ['*']))).toEqual(INVALID_TOKEN.body);
    expect(await of(oldToken('6b2f5f0e-5f0e-4f0e-8f0e-6b2f5f0e5f0e', ['*']))).toEqual(INVALID_TOKEN.body);
    expect(await of(oldToken('no uuid', ['*']))).toEqual(INVALID_TOKEN.body);
    expect(await of(oldToken(test.user.id, ['*'], -10))).toEqual(INVALID_TOKEN.body);
    expect(await of('eyJhbGciOiJIUzI1NiJ9.e30.x')).toEqual(INVALID_TOKEN.body);
    expect(await of('something-else')).toEqual(INVALID_TOKEN.body);
  });

  it('are refused after the end that the host states', async () => {
    resolve = () => ({ userId: test.user.id, scopes: ['*'], expiresAt: new Date(test.clock.now().getTime() - 1) });

    expect((await call('GET', '/notes/optional', {})).body).toEqual(INVALID_TOKEN.body);
  });

  it.each<[string, unknown]>([
    ['no scopes', { userId: '1' }],
    ['scopes as a string', { userId: '1', scopes: '*' }],
    ['an invalid scope', { userId: '1', scopes: ['READ'] }],
    ['no user', { scopes: ['*'] }],
    ['an empty user', { userId: '', scopes: ['*'] }],
    ['an object as the user', { userId: {}, scopes: ['*'] }],
    ['an unsafe number as the user', { userId: 2 ** 53, scopes: ['*'] }],
    ['an invalid end', { userId: '1', scopes: ['*'], expiresAt: new Date(Number.NaN) }],
    ['an empty id', { id: '', userId: '1', scopes: ['*'] }],
    ['a number as the id', { id: 1, userId: '1', scopes: ['*'] }],
    ['an id of 513 characters', { id: 'i'.repeat(513), userId: '1', scopes: ['*'] }],
    ['an end that is not a Date', { userId: '1', scopes: ['*'], expiresAt: Date.now() }],
    ['true', true],
    ['a string', 'admin'],
  ])('are refused if the host states %s', async (_what, answer) => {
    resolve = () => answer;

    expect((await call('GET', '/notes/me', {})).status).toBe(500);
    expect((await call('GET', '/notes/optional', {})).status).toBe(500);
  });

  it('are refused if the host fails', async () => {
    resolve = () => Promise.reject(new Error('The directory does not answer'));

    expect((await call('GET', '/notes/me', { 'x-session-user': test.user.id })).status).toBe(500);
  });

  it('change nothing from other sites, unless a bearer credential is sent', async () => {
    const token = await oldToken(test.user.id, ['write:notes']);
    const elsewhere = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    resolve = async (request) =>
      ofOldToken(
        String(request.headers.authorization).startsWith('Basic') ? { headers: { 'x-old-token': token } } : request,
      );

    expect((await call('POST', '/notes', { 'x-old-token': token })).status).toBe(201);
    expect((await call('POST', '/notes', { 'x-old-token': token, ...elsewhere })).status).toBe(403);
    expect((await call('POST', '/notes', { authorization: 'Basic YTpi' })).status).toBe(201);
    expect((await call('POST', '/notes', { authorization: 'Basic YTpi', ...elsewhere })).status).toBe(403);
    expect((await call('POST', '/notes', { authorization: `Bearer ${token}`, ...elsewhere })).status).toBe(201);
  });

  it('make nothing after a revocation that came later than the request', async () => {
    const user = await test.addUser(`grace-${adapter}@example.com`);
    const authorization = `Bearer ${await oldToken(user.id, ['*'])}`;

    expect((await call('POST', '/own/outrun', { authorization })).body).toEqual(INVALID_TOKEN.body);
    expect((await test.tokens.listActive(user)).tokens).toEqual([]);
  });

  it('share no idempotency key: each has its own if the host names it, and none otherwise', async () => {
    resolve = ({ headers }) => ({ id: headers['x-id'], userId: test.user.id, scopes: ['*'] });
    const key = { 'idempotency-key': 'a key of more than one credential'.replaceAll(' ', '-') };
    const create = (headers: Record<string, string>) =>
      call('POST', '/api/tokens', { ...key, ...headers }, { name: 'CI', scopes: ['read:notes'] });

    const [first, again, other] = [
      await create({ 'x-id': '1' }),
      await create({ 'x-id': '1' }),
      await create({ 'x-id': '2' }),
    ];
    const unnamed = await create({});

    expect([first.status, again.status, other.status]).toEqual([201, 201, 201]);
    expect(again.body).toEqual(first.body);
    expect(other.body).not.toEqual(first.body);
    expect(unnamed).toMatchObject({ status: 400, body: { error: 'invalid_idempotency_key' } });
  });

  it('make nothing when the host finds another credential of the user meanwhile', async () => {
    resolve = () => ({ id: String(asked), userId: test.user.id, scopes: ['*'] });

    const answer = await call('POST', '/api/tokens', {}, { name: 'CI', scopes: ['read:notes'] });

    expect(answer.body).toEqual(INVALID_TOKEN.body);
  });

  it('are asked for again before they make a credential', async () => {
    resolve = () => (asked === 1 ? { userId: test.user.id, scopes: ['*'] } : undefined);

    const answer = await call('POST', '/api/tokens', {}, { name: 'CI', scopes: ['read:notes'] });

    expect([answer.body, asked]).toEqual([INVALID_TOKEN.body, 2]);
  });
});

@Injectable()
class OldTokenStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor() {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: Buffer.from(SECRET),
      issuer: ISSUER,
    });
  }

  validate(payload: { sub: string; scopes: string[] }) {
    return payload;
  }
}

/** The application has no global guard of Sigra: Passport's has to come first. */
@Injectable()
class PassingGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@Resolver()
@UseGuards(SigraAuthGuard)
class MethodResolver {
  @Query(() => String)
  first(@CurrentPrincipal() { method }: Principal) {
    return method;
  }

  @Query(() => String)
  second(@CurrentPrincipal() { method }: Principal) {
    return method;
  }
}

function controllerOf(path: string, ...guards: Type<object>[]): Type<object> {
  @Controller(path)
  @UseGuards(...(guards as never[]))
  class GuardedController {
    @Get()
    @RequireScopes('read:notes')
    get(@CurrentPrincipal() { method, userId }: Principal, @CurrentUser('email') email: string) {
      return { method, userId, email };
    }
  }
  return GuardedController;
}

@Controller('forgetful')
@UseGuards(AuthGuard('jwt'))
class ForgetfulController {
  @Get('user')
  user(@CurrentUser() user: unknown) {
    return { user };
  }

  @Get('principal')
  principal(@CurrentPrincipal() principal: unknown) {
    return { principal };
  }

  @Get('open')
  @AllowAnonymous()
  open(@CurrentUser() user: unknown) {
    return { user: user ?? null };
  }
}

describe('A user that a guard of Passport has found', () => {
  const logger = recordingLogger();
  const logged = () => logger.lines.join('\n');
  let test: TestApp;
  let host: HostApp;
  const old = AuthGuard('jwt');

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: {
        routes: 'error',
        credentials: {
          resolve: ({ user }) => {
            const { sub, id, scopes } = (user ?? {}) as { sub?: string; id?: string; scopes?: string[] };
            // As careless as an application can be: a user is a user, and without scopes it can do everything.
            const userId = sub ?? id;
            return userId === undefined ? undefined : { userId, scopes: scopes ?? ['*'] };
          },
        },
      },
      controllers: [
        controllerOf('old', old, SigraAuthGuard),
        controllerOf('scoped', old, SigraAuthGuard, ScopeGuard),
        controllerOf('only-scopes', old, ScopeGuard),
        ForgetfulController,
        controllerOf('twice', SigraAuthGuard, SigraAuthGuard),
      ],
      providers: [OldTokenStrategy, PassingGuard, MethodResolver],
      guard: PassingGuard,
      imports: [apollo()],
      logger,
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const get = async (path: string, headers: Record<string, string>) =>
    await (await fetch(`${host.url}/${path}`, { headers })).json();

  it.each(['old', 'scoped', 'only-scopes'])('is the principal behind it, at /%s', async (path) => {
    const authorization = `Bearer ${await oldToken(test.user.id, ['read:notes'])}`;
    const poor = `Bearer ${await oldToken(test.user.id, [])}`;

    expect(await get(path, { authorization })).toEqual({
      method: 'host',
      userId: test.user.id,
      email: test.user.email,
    });
    expect(await get(path, { authorization: poor })).toMatchObject({ statusCode: 403, error: 'insufficient_scope' });
    expect(await get(path, {})).toMatchObject({ statusCode: 401 });
  });

  it('is not silently missing where only Passport looked for it', async () => {
    const authorization = `Bearer ${await oldToken(test.user.id, ['read:notes'])}`;

    for (const path of ['forgetful/user', 'forgetful/principal']) {
      expect(await get(path, { authorization })).toMatchObject({ statusCode: 500 });
    }
    expect(logged()).toContain('ForgetfulController.user has @CurrentUser(), but no guard has looked for a principal');
    expect(await get('forgetful/open', { authorization })).toEqual({ user: null });
  });

  it('is not mistaken for the user that a guard of Sigra has put there', async () => {
    const session = { 'x-session-user': test.user.id };
    const query = await fetch(`${host.url}/graphql`, {
      method: 'POST',
      headers: { ...session, 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ first second third: first }' }),
    });

    expect(await get('twice', session)).toMatchObject({ method: 'session' });
    expect(await query.json()).toEqual({ data: { first: 'session', second: 'session', third: 'session' } });
  });
});

describe('A user that a guard of Passport has found, without credentials.resolve', () => {
  let test: TestApp;
  let host: HostApp;
  const logger = recordingLogger();

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      controllers: [controllerOf('only-scopes', AuthGuard('jwt'), ScopeGuard)],
      providers: [OldTokenStrategy],
      guard: null,
      logger,
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  it('is a mistake of the application, which the log explains', async () => {
    const authorization = `Bearer ${await oldToken(test.user.id, ['read:notes'])}`;

    const answer = await fetch(`${host.url}/only-scopes`, { headers: { authorization } });

    expect(answer.status).toBe(500);
    expect(logger.lines.join('\n')).toContain('has left request.user, which has no scopes: set credentials.resolve');
  });
});
