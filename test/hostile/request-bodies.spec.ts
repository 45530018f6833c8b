import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { Body, Controller, type INestApplication, type LoggerService, Post, VersioningType } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import express from 'express';
import methodOverride from 'method-override';
import { AllowAnonymous, SigraModule } from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { type HostApp, type HostOptions, startHost } from '../support/host-app.js';
import { HostileConnection } from '../support/hostile-connection.js';
import { JWT } from '../support/jwt-app.js';
import { LeakScanner } from '../support/leak-scanner.js';
import { fire } from '../support/raw-http.js';
import { type Adapter, ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

const MAX = 65_536;
const FORM = 'application/x-www-form-urlencoded';
const TOO_LARGE = { statusCode: 413, error: 'body_too_large', message: 'The body has more than 65536 bytes.' };
const TOKEN = JSON.stringify({ name: 'CI', scopes: ['read:notes'] });
const ID = '01890000-0000-7000-8000-000000000000';

const padded = (length: number) => TOKEN + ' '.repeat(length - TOKEN.length);

/** A route of the application below those of Sigra, and one elsewhere. */
@Controller({ path: ['api/tokens', 'own'], version: '1' })
class UploadController {
  @Post('import')
  @AllowAnonymous()
  take(@Body() body: { readonly text: string }) {
    return { length: body.text.length };
  }
}

/** Accepts 50 MB at all routes of the application. */
function withLargeParsers(app: INestApplication, adapter: Adapter): void {
  const limit = 50_000_000;
  if (adapter === 'express') {
    (app as NestExpressApplication)
      .useBodyParser('json', { limit })
      .useBodyParser('urlencoded', { limit, extended: true });
    (app as NestExpressApplication).useBodyParser('text', { limit });
  } else {
    const own = app as NestFastifyApplication;
    for (const type of ['application/json', FORM, 'text/plain']) own.useBodyParser(type, { bodyLimit: limit });
  }
}

describe.each(ADAPTERS)('The body of a ready-made route on %s', (adapter) => {
  let scanner: LeakScanner;
  let test: TestApp;
  let host: HostApp;
  let session: Record<string, string>;

  const start = (options: Partial<HostOptions>) => startHost({ adapter, databaseUrl: test.databaseUrl, ...options });

  beforeAll(async () => {
    scanner = await LeakScanner.start();
    test = await startTestApp();
    session = { 'x-session-user': test.user.id };
    host = await start({
      sigra: {
        jwt: JWT,
        admin: { canAdminister: () => true },
        leaks: { keysUrl: scanner.keysUrl },
        controllers: {
          tokens: 'api/tokens',
          scopes: 'api/scopes',
          admin: 'api/admin/tokens',
          jwt: 'api/jwt',
          oauth: 'oauth',
          leaks: 'leaks',
        },
      },
      controllers: [UploadController],
      prepare: (app) => {
        app.setGlobalPrefix('g');
        app.enableVersioning({ type: VersioningType.URI, defaultVersion: ['1', '2'] });
        withLargeParsers(app, adapter);
        if (adapter === 'express') app.use(methodOverride('x-http-method-override'));
      },
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
    await scanner.close();
  });

  const send = async (path: string, init: RequestInit & { duplex?: 'half' }) => {
    const headers = { 'content-type': 'application/json', ...session, ...(init.headers as Record<string, string>) };
    const answer = await fetch(host.url + path, { method: 'POST', ...init, headers });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown> };
  };
  /** Sends a request verbatim, over a connection of its own. */
  const sendBytes = async (head: readonly string[], body = '') => {
    const connection = new HostileConnection(host.url);
    const lines = [...head, 'host: a', 'content-type: application/json', `x-session-user: ${test.user.id}`, '', body];
    const answers = await connection.sendBytes(Buffer.from(lines.join('\r\n'), 'latin1'));
    return answers.map(({ status, body: text }) => ({ status, body: text && (JSON.parse(text) as unknown) }));
  };
  const chunked = (text: string) => ({
    body: Readable.toWeb(Readable.from([text])) as ReadableStream,
    duplex: 'half' as const,
  });
  const names = async () => (await test.tokens.listActive(test.user)).tokens.map(({ name }) => name);

  it.each(['/g/v1/api/tokens', '/g/v2/api/tokens'])('has at most 65,536 bytes at %s', async (path) => {
    const before = await names();
    const rows = (await auditRows(test.dataSource)).length;

    expect(await send(path, { body: padded(MAX + 1) })).toEqual({ status: 413, body: TOO_LARGE });
    expect(await send(path, chunked(padded(MAX + 1)))).toEqual({ status: 413, body: TOO_LARGE });
    expect(await names()).toEqual(before);
    expect((await auditRows(test.dataSource)).length).toBe(rows);

    expect((await send(path, { body: padded(MAX) })).status).toBe(201);
    expect((await send(path, chunked(padded(MAX)))).status).toBe(201);
    expect(await names()).toEqual([...before, 'CI', 'CI']);
  });

  it.each([
    ['POST', `/g/v1/api/tokens/${ID}/rotate`],
    ['PATCH', `/g/v1/api/tokens/${ID}`],
    ['DELETE', `/g/v2/api/tokens/${ID}`],
    ['DELETE', '/g/v1/api/tokens'],
    ['POST', '/g/v1/api/jwt'],
    ['POST', '/g/v1/api/admin/tokens/lookup'],
  ])('is refused when it is larger: %s %s', async (method, path) => {
    expect(await send(path, { method, body: padded(MAX + 1) })).toEqual({ status: 413, body: TOO_LARGE });
  });

  it.each(['token', 'revoke', 'introspect'])('is refused in the form of OAuth at %s', async (endpoint) => {
    const headers = { 'content-type': FORM };

    const large = await send(`/g/oauth/${endpoint}`, { headers, body: `token=${'x'.repeat(MAX)}` });
    const odd = await send(`/g/oauth/${endpoint}`, {
      headers: { ...headers, 'content-encoding': 'zstd' },
      body: 'a=1',
    });

    expect(large).toEqual({ status: 413, body: { error: 'invalid_request', error_description: TOO_LARGE.message } });
    expect(odd).toMatchObject({ status: 415, body: { error: 'invalid_request' } });
  });

  it.each(['application/json; charset=utf-16', FORM, 'text/plain', 'multipart/form-data; boundary=x', 'a/b', ''])(
    'is bounded whatever its type: %j',
    async (type) => {
      const body = new Blob([padded(MAX + 1)]);

      expect(await send('/g/v1/api/tokens', { headers: { 'content-type': type }, body })).toEqual({
        status: 413,
        body: TOO_LARGE,
      });
    },
  );

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is counted after decompression: %s', async (coding, compress) => {
    const headers = { 'content-encoding': coding };
    const bomb = compress(Buffer.alloc(20_000_000, ' '));

    const refused = await send('/g/v1/api/tokens', { headers, body: new Uint8Array(bomb) });
    const small = await send('/g/v1/api/tokens', { headers, body: new Uint8Array(compress(TOKEN)) });

    expect(bomb.length).toBeLessThan(MAX);
    expect(refused).toEqual({ status: 413, body: TOO_LARGE });
    // Fastify decompresses nothing without a plugin.
    expect(small.status).toBe(adapter === 'express' ? 201 : 400);
  });

  it.each([
    ['33 levels', `{"name":${'['.repeat(32)}${']'.repeat(32)}}`],
    ['4,097 values', `{"name":[${'1,'.repeat(4096)}1]}`],
  ])('is refused before it is parsed with %s', async (_what, body) => {
    expect(await send('/g/v1/api/tokens', { body })).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('has no bound at other routes, and leak reports have their own', async () => {
    const body = JSON.stringify({ text: 'x'.repeat(2_000_000) });

    expect(await send('/g/v1/api/tokens/import', { body })).toEqual({ status: 201, body: { length: 2_000_000 } });
    expect(await send('/g/v1/own/import', { body })).toEqual({ status: 201, body: { length: 2_000_000 } });
    const report = await scanner.report(`${host.url}/g/leaks`, `[${' '.repeat(200_000)}]`);
    expect([report.status, await report.json()]).toEqual([200, []]);
    const large = await scanner.report(`${host.url}/g/leaks`, `[${' '.repeat(8_000_000)}]`);
    expect([large.status, await large.json()]).toEqual([
      413,
      { statusCode: 413, error: 'body_too_large', message: 'The body has more than 8000000 bytes.' },
    ]);
  });

  it.each([
    'http://a/g/v1/api/tokens',
    '/g/v1/api/tokens?a=b',
    ...(adapter === 'express' ? ['/G/V1/API/TOKENS/', '/g/v1/api/tokens#a'] : []),
  ])('is found at %s', async (target) => {
    const length = `content-length: ${MAX + 1}`;

    expect(await sendBytes([`POST ${target} HTTP/1.1`, length], padded(MAX + 1))).toEqual([
      { status: 413, body: TOO_LARGE },
    ]);
  });

  it('is bounded with a method that has no route, or that middleware changes', async () => {
    const body = padded(MAX + 1);
    const head = `content-length: ${body.length}`;

    const [get] = await sendBytes(['GET /g/v1/api/tokens HTTP/1.1', head], body);
    const put = await send('/g/v1/api/tokens', { method: 'PUT', body });
    const overridden = await send(`/g/v1/api/tokens/${ID}`, { body, headers: { 'x-http-method-override': 'PATCH' } });

    // Fastify reads the bodies of routes only, and never that of GET.
    if (adapter === 'express') {
      expect([get?.status, put.status, overridden.status]).toEqual([413, 413, 413]);
    } else {
      expect([get?.status, put.status, overridden.status]).not.toContain(201);
    }
  });

  it('leaves the connection to the next request when it could be read', async () => {
    const { hostname, port } = new URL(host.url);
    const socket = connect(Number(port), hostname);
    const headers = { 'content-type': 'application/json', ...session };
    const shoot = (body: string) => fire(socket, { method: 'POST', path: '/g/v1/api/tokens', headers, body });

    const statuses = [];
    for (const length of [MAX + 1, 1_000_000, MAX, 1_100_000, 100]) statuses.push((await shoot(padded(length))).status);

    expect(statuses).toEqual([413, 413, 201, 413, 201]);
    socket.destroy();
  });

  it('is refused before it is sent when it is far too large, and closes the connection', async () => {
    for (const expectation of [[], ['expect: 100-continue']]) {
      const { hostname, port } = new URL(host.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      const head = ['POST /g/v1/api/tokens HTTP/1.1', 'host: a', ...expectation, 'content-length: 9000000000', '', ''];
      socket.write(head.join('\r\n'));
      await once(socket, 'close');

      expect(text).toMatch(/^HTTP\/1\.1 413 /m);
      expect(text).toMatch(/^connection: close\r$/im);
      expect(text).toContain(JSON.stringify(TOO_LARGE));
    }
  });

  it('that never ends is given up after a megabyte', async () => {
    const { hostname, port } = new URL(host.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.write('POST /g/v1/api/tokens HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    const closed = once(socket, 'close');
    const chunk = Buffer.from(`10000\r\n${' '.repeat(MAX)}\r\n`);
    for (let sent = 0; sent < 18; sent++) socket.write(chunk);

    await closed;
    expect(text).toContain(JSON.stringify(TOO_LARGE));
  });

  it('that ends too early, or is longer than it says, harms no other request', async () => {
    const early = await sendBytes(['POST /g/v1/api/tokens HTTP/1.1', 'content-length: 60000'], TOKEN);
    const long = await sendBytes(['POST /g/v1/api/tokens HTTP/1.1', `content-length: ${TOKEN.length}`], TOKEN + TOKEN);

    expect(early.map(({ status }) => status)).not.toContain(201);
    // Node refuses the rest, and can do it before the first request has its answer.
    expect(long.at(-1)?.status).toBe(400);
    expect((await send('/g/v1/api/tokens', { body: TOKEN })).status).toBe(201);
  });

  it('can be missing or empty', async () => {
    const length = await sendBytes(['POST /g/v1/api/tokens HTTP/1.1', 'content-length: 0']);
    const chunk = await sendBytes(['POST /g/v1/api/tokens HTTP/1.1', 'transfer-encoding: chunked'], '0\r\n\r\n');

    for (const [answer] of [length, chunk]) expect(answer?.status).toBe(400);
    expect((await send('/g/v1/api/tokens', { method: 'DELETE' })).status).toBe(adapter === 'express' ? 200 : 400);
  });

  describe('of an application', () => {
    let own: HostApp | undefined;

    afterEach(async () => {
      await own?.close();
      own = undefined;
    });

    const post = async (path: string, body: string, url = own!.url) => {
      const headers = { 'content-type': 'application/json', ...session };
      return (await fetch(url + path, { method: 'POST', headers, body })).status;
    };

    it.each([{ rawBody: true }, { bodyParser: false }])('with %j is bounded', async (nest) => {
      own = await start({ nest });

      expect(await post('/api/tokens', padded(MAX + 1))).toBe(413);
      // Without parsers, Express has no body.
      expect(await post('/api/tokens', padded(MAX))).toBe('bodyParser' in nest && adapter === 'express' ? 400 : 201);
    });

    it('keeps a smaller limit of the application', async () => {
      own = await start({
        prepare: (app) => {
          if (adapter === 'express') (app as NestExpressApplication).useBodyParser('json', { limit: 1000 });
          else (app as NestFastifyApplication).useBodyParser('application/json', { bodyLimit: 1000 });
        },
      });

      expect(await post('/api/tokens', padded(1001))).toBe(413);
      expect(await post('/api/tokens', padded(1000))).toBe(201);
    });

    it('with two modules of Sigra is bounded at the routes of both', async () => {
      const second = { ...SIGRA_OPTIONS, isGlobal: false, controllers: { tokens: 'second/tokens' } };
      own = await start({ imports: [SigraModule.forRoot(second)] });

      for (const path of ['/api/tokens', '/second/tokens']) {
        expect(await post(path, padded(MAX + 1))).toBe(413);
        expect(await post(path, padded(MAX))).toBe(201);
      }
    });

    it('without ready-made routes is not bounded', async () => {
      own = await start({ sigra: { controllers: {} }, controllers: [UploadController] });

      expect(await post('/own/import', JSON.stringify({ text: 'x'.repeat(90_000) }))).toBe(201);
    });
  });
});

describe('The body of a ready-made route on an application of Express', () => {
  const warnings: string[] = [];
  const logger: LoggerService = {
    log: () => undefined,
    error: () => undefined,
    warn: (message: string) => void warnings.push(message),
  };
  let test: TestApp;
  let host: HostApp | undefined;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterEach(async () => {
    await host?.close();
    host = undefined;
    warnings.splice(0);
  });
  afterAll(() => test.close());

  const start = async (instance: unknown, prepare?: (app: INestApplication) => void) =>
    (host = await startHost({ adapter: 'express', databaseUrl: test.databaseUrl, express: instance, logger, prepare }));
  const post = async (url: string, body: string) => {
    const headers = { 'content-type': 'application/json', 'x-session-user': test.user.id };
    return (await fetch(url, { method: 'POST', headers, body })).status;
  };
  const ofBodies = () => warnings.filter((message) => message.includes('A body was read before Sigra'));

  it('is bounded before a parser that the application adds', async () => {
    const { url } = await start(undefined, (app) => app.use(express.json({ limit: '50mb' })));

    expect(await post(`${url}/api/tokens`, padded(MAX + 1))).toBe(413);
    expect(await post(`${url}/api/tokens`, padded(MAX))).toBe(201);
    expect(ofBodies()).toEqual([]);
  });

  it('is not bounded behind a parser that stands before Nest, and the log says how to change that', async () => {
    const { url } = await start(express().use(express.json({ limit: '50mb' })));

    expect(await post(`${url}/api/tokens`, padded(MAX + 1))).toBe(201);
    expect(await post(`${url}/api/tokens`, padded(MAX))).toBe(201);
    expect(ofBodies()).toEqual([
      expect.stringContaining('Add body parsers to the application after NestFactory.create()'),
    ]);
  });

  it('is bounded below the path of another application', async () => {
    const instance = express();
    await start(instance);
    const parent = express().use('/sub', instance).listen(0);
    await once(parent, 'listening');
    const url = `http://127.0.0.1:${(parent.address() as { port: number }).port}/sub/api/tokens`;

    expect(await post(url, padded(MAX + 1))).toBe(413);
    expect(await post(url, padded(MAX))).toBe(201);
    parent.close();
  });
});
