import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable } from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { INVALID_GRANT, OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

/** A filter as many hosts have it: everything but an HttpException is a server error. */
@Catch()
@Injectable()
class EverythingFilter implements ExceptionFilter {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const known = error instanceof HttpException;
    const body = known ? error.getResponse() : { error: 'fault' };
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), body, known ? error.getStatus() : 500);
  }
}

const VARIANTS = ADAPTERS.flatMap((adapter) => [
  { adapter, place: 'the whole application' },
  { adapter, place: 'APP_FILTER' },
]);

describe.each(VARIANTS)('A catch-all filter of the host on $place, on $adapter', ({ adapter, place }) => {
  let test: OAuthApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter });
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: { jwt: JWT, controllers: OAUTH_CONTROLLERS },
      providers: place === 'APP_FILTER' ? [{ provide: APP_FILTER, useClass: EverythingFilter }] : [],
      prepare: (app) => {
        if (place !== 'APP_FILTER') app.useGlobalFilters(new EverythingFilter(app.get(HttpAdapterHost)));
      },
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) => {
    const answer = await fetch(host.url + path, { method: 'POST', headers, body: new URLSearchParams(form) });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };

  it('does not change the answers of the OAuth endpoints', async () => {
    const refused = await post('/oauth/token', { grant_type: 'refresh_token', refresh_token: 'x' });
    const client = await post('/oauth/revoke', { token: 'x' }, { authorization: 'Basic YTpi' });
    const asked = await post('/oauth/introspect', { token: 'x' });

    expect([refused.status, refused.body]).toEqual([400, INVALID_GRANT]);
    expect(client.status).toBe(401);
    expect(client.headers.get('www-authenticate')).toBe('Basic realm="api"');
    expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="api", Basic realm="api"',
    ]);
  });

  it('does not change the status and the body of POST /api/jwt', async () => {
    const { status, body } = await post('/api/jwt', {}, { 'x-session-user': test.user.id });

    expect([status, body]).toEqual([
      400,
      { statusCode: 400, error: 'scopes_required', message: 'At least one scope is required.' },
    ]);
  });
});
