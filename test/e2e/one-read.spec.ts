import { Controller, Get, UseGuards } from '@nestjs/common';
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

  @Get('in-person')
  @UseGuards(SessionAuthGuard)
  inPerson() {
    return { ok: true };
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
