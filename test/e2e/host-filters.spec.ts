import type { ServerResponse } from 'node:http';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  Injectable,
  Res,
  UseFilters,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiTokenService,
  CurrentPrincipal,
  CurrentUser,
  type Principal,
  RequireScopes,
  requireScopes,
  SigraExceptionFilter,
} from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, insufficientScope, INVALID_TOKEN, MALFORMED_HEADER, UNAUTHORIZED } from '../support/answers.js';
import { type HostApp, startHost } from '../support/host-app.js';

/** Nest's example of a catch-all filter, with a body of its own. */
@Catch()
@Injectable()
class EverythingFilter implements ExceptionFilter {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), { host: status }, status);
  }
}

@Controller('filtered')
@UseFilters(EverythingFilter)
class FilteredController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  @RequireScopes('write:notes')
  get() {
    return { ok: true };
  }

  @Get('name')
  name(@CurrentUser() user: object) {
    return this.tokens.create(user, { name: '', scopes: ['read:notes'] });
  }

  @Get('token')
  token() {
    return this.tokens.verify('sigra_sk_x');
  }

  @Get('absent')
  absent() {
    return this.tokens.revoke(ABSENT);
  }

  @Get('scopes')
  scopes(@CurrentPrincipal() principal: Principal) {
    requireScopes(principal, 'write:notes');
  }
}

@Controller('kept')
@UseFilters(SigraExceptionFilter)
class KeptController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  token() {
    return this.tokens.verify('sigra_sk_x');
  }
}

/** Without a filter of the application's own. */
@Controller('begun')
class BegunController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  async get(@Res() response: { raw?: ServerResponse } & ServerResponse) {
    const { raw = response } = response;
    raw.writeHead(200, { 'content-type': 'text/plain' });
    raw.write('the first line');
    await this.tokens.revoke(ABSENT);
  }
}

const ABSENT = '00000000-0000-7000-8000-000000000000';

const VARIANTS = ADAPTERS.flatMap((adapter) => [
  { adapter, place: 'the controller' },
  { adapter, place: 'the whole application' },
  { adapter, place: 'APP_FILTER' },
]);

describe.each(VARIANTS)('A catch-all filter of the host on $place, on $adapter', ({ adapter, place }) => {
  let test: TestApp;
  let host: HostApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      controllers: [FilteredController, KeptController],
      providers: place === 'APP_FILTER' ? [{ provide: APP_FILTER, useClass: EverythingFilter }] : [],
      prepare: (app) => {
        if (place === 'the whole application') app.useGlobalFilters(new EverythingFilter(app.get(HttpAdapterHost)));
      },
    });
    const { rawToken } = await test.tokens.create(test.user, {
      name: 'CI',
      scopes: ['read:notes', 'api_tokens:read', 'api_tokens:write'],
    });
    headers = { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' };
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const send = async (path: string, init?: RequestInit) => answerOf(await fetch(host.url + path, init));

  it('keeps the status and the challenge of refusals by guards', async () => {
    const answers = await Promise.all([
      send('/filtered'),
      send('/filtered', { headers: { authorization: 'Bearer sigra_sk_x' } }),
      send('/filtered', { headers: { authorization: 'Bearer' } }),
      send('/filtered', { headers }),
    ]);

    expect(answers.map(({ status, challenge }) => ({ status, challenge }))).toEqual(
      [UNAUTHORIZED, INVALID_TOKEN, MALFORMED_HEADER, insufficientScope(['write:notes'], ['write:notes'])].map(
        ({ status, challenge }) => ({ status, challenge }),
      ),
    );
  });

  it('keeps the status of errors that handlers pass on from services', async () => {
    const paths = ['name', 'token', 'absent', 'scopes'];

    const answers = await Promise.all(paths.map((path) => send(`/filtered/${path}`, { headers })));

    expect(answers.map(({ body }) => body)).toEqual([{ host: 400 }, { host: 401 }, { host: 404 }, { host: 403 }]);
  });

  it('comes after the filter of the library on a controller, which keeps the headers of its errors', async () => {
    expect(await send('/kept', { headers })).toEqual(INVALID_TOKEN);
  });

  it('sends its own body', async () => {
    const answer = await send('/filtered');

    expect(answer.body).toEqual({ host: 401 });
  });

  it('keeps the status of refusals by the ready-made controllers', async () => {
    const absent = `/api/tokens/${ABSENT}`;
    const post = { method: 'POST', headers };

    const statuses = await Promise.all([
      send('/api/tokens?limit=0', { headers }),
      send('/api/tokens', { ...post, body: '{"userId":"1"}' }),
      send('/api/tokens', { ...post, body: '{"name":"x","scopes":["admin"]}' }),
      send(absent, { method: 'DELETE', headers: { authorization: headers.authorization! } }),
      send(`${absent}/rotate`, { ...post, body: '{}' }),
    ]).then((answers) => answers.map((answer) => answer.status));

    expect(statuses).toEqual([400, 400, 403, 404, 404]);
  });
});

describe.each(ADAPTERS)('The filter of the library, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    host = await startHost({ adapter, databaseUrl: test.databaseUrl, controllers: [BegunController] });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  it('ends an answer that has begun', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    const answer = await fetch(`${host.url}/begun`, { headers: { authorization: `Bearer ${rawToken}` } });

    expect([answer.status, await answer.text()]).toEqual([200, 'the first line']);
  });
});
