import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  Injectable,
  UseFilters,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RequireScopes } from 'nestjs-sigra';
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
  @Get()
  @RequireScopes('write:notes')
  get() {
    return { ok: true };
  }
}

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
      controllers: [FilteredController],
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

  it('sends its own body', async () => {
    const answer = await send('/filtered');

    expect(answer.body).toEqual({ host: 401 });
  });

  it('keeps the status of refusals by the ready-made controllers', async () => {
    const absent = '/api/tokens/00000000-0000-7000-8000-000000000000';
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
