import { type EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { Controller, type INestApplication, Post, Query, Req } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import session, { MemoryStore } from 'express-session';
import { AllowAnonymous, CredentialService } from 'nestjs-sigra';
import { eventually } from '../support/eventually.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

interface WithSession {
  readonly session?: { userId?: string };
  readonly raw?: { readonly session?: { userId?: string } };
}

@Controller('login')
class LoginController {
  @Post()
  @AllowAnonymous()
  login(@Req() request: WithSession, @Query('user') user: string) {
    (request.session ?? request.raw?.session)!.userId = user;
  }
}

describe.each(ADAPTERS)('A session of express-session, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;
  let cookie: string;
  let requests = 0;
  const store = new MemoryStore();
  const body = JSON.stringify({ name: 'mine', scopes: ['*'] });

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      controllers: [LoginController],
      sigra: { session: { userId: (request) => (request.session ?? request.raw?.session)?.userId } },
      prepare: (app: INestApplication) => {
        app.use(session({ store, secret: 'not a secret', resave: false, saveUninitialized: false }));
        app.use((_request: unknown, _response: unknown, next: () => void) => {
          requests++;
          next();
        });
      },
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const signIn = async () => {
    const answer = await fetch(`${host.url}/login?user=${test.user.id}`, { method: 'POST' });
    cookie = answer.headers.getSetCookie()[0]!.split(';')[0]!;
  };
  /** Creates a token, and sends the last byte of the body after `meanwhile`. */
  const createSlowly = async (meanwhile: () => Promise<unknown>) => {
    const before = requests;
    const arrived = once(host.app.getHttpServer() as EventEmitter, 'request');
    const { hostname, port } = new URL(host.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      ['POST /api/tokens HTTP/1.1', `Host: ${hostname}`, `Cookie: ${cookie}`, 'Content-Type: application/json']
        .concat(`Content-Length: ${body.length}`, 'Connection: close', '', body.slice(0, -1))
        .join('\r\n'),
    );
    await arrived;
    // On Express, the middleware of the application gets a request when its body is there.
    if (adapter === 'fastify') await eventually(() => requests > before);
    await meanwhile();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(body.slice(-1));
    await once(socket, 'close');
    return Number(Buffer.concat(chunks).toString().split(' ')[1]);
  };
  const tokens = async () => (await test.tokens.listActive(test.user)).tokens.length;

  it('makes a token with a body that arrives late', async () => {
    await signIn();

    expect(await createSlowly(() => Promise.resolve())).toBe(201);
    expect(await tokens()).toBe(1);
  });

  it('makes nothing when all sessions end and the user is locked out before the body arrives', async () => {
    await signIn();

    const status = await createSlowly(async () => {
      await new Promise<void>((resolve) => store.clear(() => resolve()));
      await test.get(CredentialService).lockOut(test.user);
    });

    expect(status).toBe(401);
    expect(await tokens()).toBe(0);
  });
});
