import { All, Controller, Get, type INestApplication, type Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import methodOverride from 'method-override';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CROSS_ORIGIN } from '../support/answers.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { sendRaw } from '../support/raw-http.js';
import { type Adapter, startTestApp, type TestApp } from '../support/test-app.js';

@Controller('changes')
class ChangesController {
  @All()
  change() {
    return { changed: true };
  }
}

@Controller('reads')
class ReadsController {
  @Get()
  read() {
    return { read: true };
  }
}

/** The parts of Node's request that such code changes. */
interface RawRequest {
  method?: string | undefined;
  url?: string | undefined;
}

const isOverride = ({ url }: RawRequest) => url?.includes('_method=GET') ?? false;

/** As in an application of Fastify that accepts forms for every method. */
function overrideInHook(app: INestApplication): void {
  (app as NestFastifyApplication)
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      if (isOverride(request.raw)) request.raw.method = 'GET';
      done();
    });
}

/** Before Fastify looks at the request, where `rewriteUrl` and a server of the application's own stand, too. */
function overrideInServer(app: INestApplication): void {
  (app.getHttpServer() as NodeJS.EventEmitter).prependListener('request', (request: RawRequest) => {
    if (isOverride(request)) request.method = 'GET';
  });
}

const WAYS: readonly (readonly [string, Adapter, (app: INestApplication) => void])[] = [
  ['the middleware method-override', 'express', (app) => app.use(methodOverride('_method'))],
  ['a hook of Fastify', 'fastify', overrideInHook],
  ['a listener of the server, on Express', 'express', overrideInServer],
  ['a listener of the server, on Fastify', 'fastify', overrideInServer],
];

describe.each(WAYS)('A method that is overridden by %s', (_what, adapter, prepare) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    const controllers: Type<object>[] = [ChangesController, ReadsController];
    host = await startHost({ adapter, databaseUrl: test.databaseUrl, controllers, prepare });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const send = (line: string, headers: Record<string, string>) =>
    sendRaw(host.url, [
      `${line} HTTP/1.1`,
      'Host: notes.example.com',
      `X-Session-User: ${test.user.id}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ]);

  it.each([
    ['an empty form of another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['a form that hides its origin', { 'Sec-Fetch-Site': 'cross-site', Origin: 'null' }],
    ['a form in a browser without Fetch Metadata', { Origin: 'https://evil.example' }],
  ])('does not make %s safe', async (_form, headers) => {
    const answer = await send('POST /changes?_method=GET', { ...headers, 'Content-Length': '0' });

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it('does not make an own form unsafe', async () => {
    const headers = { 'Sec-Fetch-Site': 'same-origin', Origin: 'https://notes.example.com', 'Content-Length': '0' };

    expect((await send('POST /changes?_method=GET', headers)).status).toBeLessThan(300);
  });

  it('does not make a link of another site unsafe', async () => {
    expect((await send('GET /reads', { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(200);
    expect((await send('GET /reads', { Origin: 'https://evil.example' })).status).toBe(200);
  });
});
