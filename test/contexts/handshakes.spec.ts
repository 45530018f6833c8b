import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UseGuards } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { Ack, ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AllowAnonymous,
  CurrentCaller,
  type Caller,
  CurrentPrincipal,
  OptionalAuth,
  type Principal,
  SigraAuthGuard,
} from 'nestjs-sigra';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { INVALID_TOKEN, invalidRequest, MALFORMED_HEADER, UNAUTHORIZED } from '../support/answers.js';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const answer = (data: unknown) => ({ event: 'answer', data });

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
class Gateway {
  @SubscribeMessage('me')
  me(@CurrentPrincipal() { tokenId }: Principal) {
    return answer({ tokenId });
  }

  @SubscribeMessage('open')
  @AllowAnonymous()
  open(@CurrentPrincipal() principal?: Principal) {
    return answer({ tokenId: principal?.tokenId ?? null });
  }

  @SubscribeMessage('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return answer({ tokenId: principal?.tokenId ?? null });
  }

  @SubscribeMessage('renew')
  @AllowAnonymous()
  renew(@ConnectedSocket() client: { handshake: { auth: Record<string, unknown> } }, @MessageBody() token: string) {
    client.handshake.auth.token = token;
    return answer({ renewed: true });
  }

  @SubscribeMessage('acknowledged')
  acknowledged(@MessageBody() body: unknown, @Ack() acknowledge: (body: unknown) => void) {
    acknowledge({ body });
  }

  @SubscribeMessage('undecorated')
  undecorated(client: object, body: unknown) {
    return answer({ client: typeof client, body });
  }

  @SubscribeMessage('caller')
  caller(@CurrentCaller() { ipAddress, userAgent, principal }: Caller) {
    return answer({ ipAddress, userAgent, tokenId: principal?.tokenId });
  }
}

describe('The handshake of socket.io', () => {
  let test: TestApp;
  let host: HostApp;
  let token: { readonly rawToken: string; readonly tokenId: string };
  const sockets: Socket[] = [];

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({ adapter: 'express', databaseUrl: test.databaseUrl, providers: [Gateway] });
    token = await issue();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await host.close();
    await test.close();
  });

  const issue = async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    return { rawToken, tokenId: token.id };
  };
  const connect = (options: Parameters<typeof io>[1] = {}) => {
    const socket = io(host.url, { transports: ['websocket'], forceNew: true, ...options });
    sockets.push(socket);
    return socket;
  };
  const ask = (socket: Socket, event: string, body?: unknown) =>
    new Promise<unknown>((resolve) => {
      const settle = (outcome: unknown) => {
        socket.off('answer', settle).off('exception', settle);
        resolve(outcome);
      };
      socket.on('answer', settle).on('exception', settle);
      socket.emit(event, body);
    });
  const header = (rawToken: string) => ({ extraHeaders: { authorization: `Bearer ${rawToken}` } });

  it.each(['websocket', 'polling'])('has the credential in a header or in its payload, over %s', async (transport) => {
    const transports = [transport];

    for (const options of [header(token.rawToken), { auth: { token: token.rawToken } }]) {
      expect(await ask(connect({ transports, ...options }), 'me')).toEqual({ tokenId: token.tokenId });
    }
  });

  it('refuses different credentials in both, and accepts the same', async () => {
    const both = connect({ ...header(token.rawToken), auth: { token: (await issue()).rawToken } });
    const same = connect({ ...header(token.rawToken), auth: { token: token.rawToken } });

    expect(await ask(both, 'me')).toEqual(invalidRequest('The request has two credentials.').body);
    expect(await ask(same, 'me')).toEqual({ tokenId: token.tokenId });
  });

  it.each([
    ['a number', 1, invalidRequest('The token of the handshake is not a string.').body],
    ['an object', { id: 1 }, invalidRequest('The token of the handshake is not a string.').body],
    ['empty', '', MALFORMED_HEADER.body],
    ['with a scheme', 'Bearer sigra_sk_x', MALFORMED_HEADER.body],
    ['unknown', 'sigra_sk_x', INVALID_TOKEN.body],
    ['null', null, UNAUTHORIZED.body],
  ])('refuses a token that is %s', async (_what, given, refusal) => {
    expect(await ask(connect({ auth: { token: given } }), 'me')).toEqual(refusal);
  });

  it('gives a message no principal of an earlier message', async () => {
    const socket = connect({ auth: { token: token.rawToken } });

    expect(await ask(socket, 'me')).toEqual({ tokenId: token.tokenId });
    expect(await ask(socket, 'open')).toEqual({ tokenId: null });
    expect(await ask(socket, 'optional')).toEqual({ tokenId: token.tokenId });
    expect(await ask(connect(), 'optional')).toEqual({ tokenId: null });
  });

  it('accepts a new token that the application puts into the payload', async () => {
    const next = await issue();
    const socket = connect({ auth: { token: (await issue()).rawToken } });

    await ask(socket, 'renew', next.rawToken);

    expect(await ask(socket, 'me')).toEqual({ tokenId: next.tokenId });
  });

  it('keeps the messages of one connection apart when they are handled together', async () => {
    const first = await issue();
    const second = await issue();
    const socket = connect({ auth: { token: first.rawToken } });
    const answers: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('answer', (data) => {
        answers.push(data);
        if (answers.length === 60) resolve();
      });
    });

    for (let round = 0; round < 20; round++) {
      socket.emit('me');
      socket.emit('open');
      socket.emit('renew', round % 2 === 0 ? second.rawToken : first.rawToken);
    }
    await all;

    const owners = answers.map((data) => (data as { tokenId?: string | null }).tokenId);
    expect(owners.filter((id) => id === null)).toHaveLength(20);
    expect(owners.filter((id) => id === first.tokenId || id === second.tokenId)).toHaveLength(20);
  });

  it.each(['text', 1, null, ['a', 'b'], { a: 1 }])('leaves the arguments of a handler alone for %j', async (body) => {
    const socket = connect({ auth: { token: token.rawToken } });

    expect(await socket.emitWithAck('acknowledged', body)).toEqual({ body });
    expect(await ask(socket, 'undecorated', body)).toEqual({ client: 'object', body });
  });

  it('names the address and the user agent of the connection', async () => {
    const socket = connect({ auth: { token: token.rawToken }, extraHeaders: { 'user-agent': 'probe/1' } });

    expect(await ask(socket, 'caller')).toEqual({
      ipAddress: expect.stringMatching(/127\.0\.0\.1$/),
      userAgent: 'probe/1',
      tokenId: token.tokenId,
    });
  });
});

/** The port of a gateway is part of its decorator. */
function gatewayOn(port: number, remembers: boolean) {
  @WebSocketGateway(port)
  @UseGuards(SigraAuthGuard)
  class OwnPortGateway {
    handleConnection(client: { request?: IncomingMessage }, request: IncomingMessage) {
      if (remembers) client.request = request;
    }

    @SubscribeMessage('me')
    me(@CurrentPrincipal() { tokenId }: Principal) {
      return answer({ tokenId });
    }
  }
  return OwnPortGateway;
}

describe.each([
  { remembers: true, what: 'uses the handshake that the gateway has kept' },
  { remembers: false, what: 'is closed where the gateway has not kept the handshake' },
])('A gateway of ws with its own port', ({ remembers, what }) => {
  let test: TestApp;
  let host: HostApp;
  let port: number;

  beforeAll(async () => {
    test = await startTestApp();
    port = await freePort();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      providers: [gatewayOn(port, remembers)],
      prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  it(what, async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers: { authorization: `Bearer ${rawToken}` } });
    await once(socket, 'open');

    socket.send(JSON.stringify({ event: 'me', data: null }));
    const [message] = (await once(socket, 'message')) as [Buffer];
    socket.close();

    const { event, data } = JSON.parse(message.toString()) as { event: string; data: unknown };
    expect({ event, data }).toEqual(
      remembers
        ? { event: 'answer', data: { tokenId: token.id } }
        : { event: 'exception', data: expect.objectContaining({ message: 'Internal server error' }) },
    );
  });
});
