import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  type LoggerService,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { ADAPTERS } from '../support/test-app.js';

const FORM = 'application/x-www-form-urlencoded';
const ENDPOINTS = ['token', 'revoke', 'introspect'];

/** Does what the header `x-outcome` says, as guards of an application can. */
@Injectable()
class OutcomeGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    switch (headers['x-outcome']) {
      case 'forbidden':
        throw new ForbiddenException('secret detail');
      case 'too many':
        throw new HttpException('secret detail', 429);
      case 'defect':
        throw new Error('secret detail');
      default:
        return true;
    }
  }
}

const VARIANTS = ADAPTERS.flatMap((adapter) => [
  { adapter, prefix: undefined },
  { adapter, prefix: 'v1/api' },
]);

describe.each(VARIANTS)(
  'Every error of the OAuth endpoints on $adapter, with the prefix $prefix',
  ({ adapter, prefix }) => {
    let test: OAuthApp;
    let host: HostApp;
    const errors: unknown[] = [];
    const logger: LoggerService = {
      log: () => undefined,
      warn: () => undefined,
      error: (...message: unknown[]) => errors.push(...message),
    };

    beforeAll(async () => {
      test = await startOAuthApp();
      host = await startHost({
        adapter,
        databaseUrl: test.databaseUrl,
        sigra: { jwt: JWT, controllers: OAUTH_CONTROLLERS },
        providers: [{ provide: APP_GUARD, useClass: OutcomeGuard }],
        logger,
        prepare: (app) => {
          if (prefix !== undefined) app.setGlobalPrefix(prefix);
        },
      });
    });
    afterAll(async () => {
      await host.close();
      await test.close();
    });

    const send = async (endpoint: string, type: string, body: string, more: Record<string, string> = {}) => {
      const path = prefix === undefined ? '' : `/${prefix}`;
      const headers = { 'content-type': type, ...more };
      const answer = await fetch(`${host.url}${path}/oauth/${endpoint}`, { method: 'POST', headers, body });
      const text = await answer.text();
      return {
        status: answer.status,
        cache: [answer.headers.get('cache-control'), answer.headers.get('pragma')],
        type: answer.headers.get('content-type'),
        text,
        body: JSON.parse(text) as { error: string; error_description: string },
      };
    };
    const expectForm = (answer: Awaited<ReturnType<typeof send>>, status: number, error: string) => {
      expect([answer.status, answer.body]).toEqual([status, { error, error_description: expect.any(String) }]);
      expect(answer.cache).toEqual(['no-store', 'no-cache']);
      expect(answer.type).toMatch(/^application\/json\b/);
      expect(answer.body.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
    };

    describe.each(ENDPOINTS)('%s', (endpoint) => {
      it.each([
        ['truncated JSON', 'application/json', '{"token":"sigra_rt_secret', 400],
        ['a form declared as JSON', 'application/json', 'token=sigra_rt_secret', 400],
        ['a form of 2 MB', FORM, `token=sigra_rt_secret${'x'.repeat(2_000_000)}`, 413],
        ['JSON of 2 MB', 'application/json', JSON.stringify({ token: `sigra_rt_secret${'x'.repeat(2_000_000)}` }), 413],
        [
          'an unknown encoding',
          'application/json; charset=x-sigra_rt_secret',
          '{}',
          adapter === 'express' ? 415 : undefined,
        ],
      ])('has the form of RFC 6749 section 5.2 for %s, without the body', async (_what, type, body, status) => {
        const answer = await send(endpoint, type, body);

        // Fastify ignores the encoding.
        if (status !== undefined) expectForm(answer, status, 'invalid_request');
        expect(answer.text).not.toContain('sigra_rt_secret');
      });

      it('has it for every method other than POST, with Allow, and leaves preflight requests to the application', async () => {
        const url = `${host.url}${prefix === undefined ? '' : `/${prefix}`}/oauth/${endpoint}`;
        const methods = ['GET', 'PUT', 'PATCH', 'DELETE'];

        const answers = await Promise.all(methods.map((method) => fetch(`${url}?token=x`, { method })));
        const head = await fetch(url, { method: 'HEAD' });
        const preflight = await fetch(url, { method: 'OPTIONS' });

        for (const answer of answers) {
          expect([answer.status, answer.headers.get('allow'), answer.headers.get('cache-control')]).toEqual([
            405,
            'POST',
            'no-store',
          ]);
          expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
          expect(await answer.json()).toEqual({ error: 'invalid_request', error_description: 'The method is POST.' });
        }
        expect([head.status, await head.text()]).toEqual([405, '']);
        expect(preflight.status).not.toBe(405);
      });

      it('has it for a media type that cannot be parsed', async () => {
        const answer = await send(endpoint, 'multipart/form-data; boundary=x', '--x--\r\n');

        const error = endpoint === 'introspect' && adapter === 'express' ? 'invalid_client' : 'invalid_request';
        expect([400, 401, 415]).toContain(answer.status);
        expectForm(answer, answer.status, error);
      });

      it.each([
        ['forbidden', 403, 'access_denied'],
        ['too many', 429, 'temporarily_unavailable'],
        ['defect', 500, 'server_error'],
      ])('has it for what a guard of the application throws: %s', async (outcome, status, error) => {
        errors.length = 0;

        const answer = await send(endpoint, FORM, 'token=x', { 'x-outcome': outcome });

        expectForm(answer, status, error);
        expect(answer.text).not.toContain('secret detail');
        expect(errors.join(' ').includes('secret detail')).toBe(outcome === 'defect');
      });
    });

    it('leaves the errors of other routes as they are', async () => {
      const answer = await fetch(`${host.url}${prefix === undefined ? '' : `/${prefix}`}/api/tokens`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"name":',
      });

      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { statusCode: 400, message: expect.any(String) },
      ]);
    });
  },
);
