import { Controller, Get, UseGuards } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BearerAuthGuard, CurrentPrincipal, type Principal, SessionAuthGuard, SigraAuthGuard } from 'nestjs-sigra';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

@Controller('guarded')
@UseGuards(SigraAuthGuard, BearerAuthGuard)
class GuardedController {
  @Get()
  @UseGuards(SigraAuthGuard)
  me(@CurrentPrincipal() { method, userId }: Principal) {
    return { method, userId };
  }

  @Get('passport-last')
  @UseGuards(AuthGuard('bearer'))
  passportLast() {
    return { ok: true };
  }

  @Get('in-person')
  @UseGuards(SessionAuthGuard)
  inPerson() {
    return { ok: true };
  }
}

@Controller('twice')
@UseGuards(SigraAuthGuard, SessionAuthGuard)
class TwiceController {
  @Get()
  me() {
    return { ok: true };
  }
}

@Controller('passport-first')
@UseGuards(AuthGuard('bearer'), SigraAuthGuard)
class PassportFirstController {
  @Get()
  me(@CurrentPrincipal() { method, userId }: Principal) {
    return { method, userId };
  }
}

describe.each(ADAPTERS)('A credential behind several guards, on %s', (adapter) => {
  let test: TestApp;
  let log: QueryLog;
  let bearer: Record<string, string>;

  beforeAll(async () => {
    test = await startTestApp({ adapter, controllers: [GuardedController] });
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    bearer = { authorization: `Bearer ${rawToken}` };
    log = QueryLog.of(test.dataSource);
  });
  beforeEach(() => log.clear());
  afterAll(() => test.close());

  const get = (path: string, headers: Record<string, string>) => fetch(test.url + path, { headers });

  it('is read once for each request', async () => {
    const [first, second] = [await get('/guarded', bearer), await get('/guarded', bearer)];

    expect([first.status, second.status]).toEqual([200, 200]);
    expect(await second.json()).toEqual({ method: 'api_token', userId: test.user.id });
    expect(log.matching(/token_hash =/)).toHaveLength(2);
  });

  it('is read once by guards in front of AuthGuard of Passport, and by it', async () => {
    const statuses = [await get('/guarded/passport-last', bearer), await get('/guarded/passport-last', bearer)];

    expect(statuses.map(({ status }) => status)).toEqual([200, 200]);
    expect(log.matching(/token_hash =/)).toHaveLength(2);
  });

  it('is read once by AuthGuard of Passport, and by guards behind it', async () => {
    const other = await startTestApp({
      adapter,
      databaseUrl: test.databaseUrl,
      withoutGuard: true,
      controllers: [PassportFirstController],
    });
    const reads = QueryLog.of(other.dataSource);
    const url = `${other.url}/passport-first`;

    const first = await fetch(url, { headers: bearer });
    const second = await fetch(url, { headers: bearer });
    const refused = await fetch(url, { headers: { authorization: `${bearer.authorization}x` } });
    await other.close();

    expect([first.status, second.status, refused.status]).toEqual([200, 200, 401]);
    expect(await second.json()).toEqual({ method: 'api_token', userId: test.user.id });
    expect(reads.matching(/token_hash =/)).toHaveLength(2);
  });

  it('of a session is found once', async () => {
    const asked: string[] = [];
    const other = await startTestApp({
      adapter,
      databaseUrl: test.databaseUrl,
      controllers: [TwiceController],
      sigra: {
        session: {
          userId: async ({ headers }) => {
            asked.push(String(headers['x-session-user']));
            return Promise.resolve(headers['x-session-user'] as string);
          },
        },
      },
    });

    const response = await fetch(`${other.url}/twice`, { headers: { 'x-session-user': test.user.id } });
    await other.close();

    expect(response.status).toBe(200);
    expect(asked).toEqual([test.user.id]);
  });

  it('is read once before a ready-made controller', async () => {
    const [byToken, bySession] = [
      await get('/api/tokens', bearer),
      await get('/api/tokens', { 'x-session-user': test.user.id }),
    ];

    expect([byToken.status, bySession.status]).toEqual([200, 200]);
    expect(log.matching(/token_hash =/)).toHaveLength(1);
    expect(log.matching(/AS wanted\(/)).toHaveLength(1);
  });

  it('is refused by each guard that does not accept it', async () => {
    const session = await get('/guarded', { 'x-session-user': test.user.id });
    const token = await get('/guarded/in-person', bearer);

    expect([session.status, token.status]).toEqual([401, 401]);
  });
});
