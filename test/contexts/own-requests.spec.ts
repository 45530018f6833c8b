import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ExecutionContext, Injectable, UseFilters, UseGuards } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  ApiTokenService,
  CurrentCaller,
  type Caller,
  CurrentPrincipal,
  CurrentUser,
  type HttpRequest,
  type Principal,
  RequireScopes,
  ScopeGuard,
  SigraAuthGuard,
  SigraExceptionFilter,
} from 'nestjs-sigra';
import { WebSocket } from 'ws';
import { insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

interface ChatUpdate {
  readonly text: string;
  readonly token?: string;
}

/**
 * The guard of an application with a context that Sigra does not know, and with pages, which cannot set headers of a
 * WebSocket.
 */
@Injectable()
class AppGuard extends SigraAuthGuard {
  protected override getRequest(context: ExecutionContext): HttpRequest {
    switch (context.getType<string>()) {
      case 'chat': {
        const { token } = context.getArgByIndex<ChatUpdate>(0);
        return { method: 'POST', headers: { authorization: token && `Bearer ${token}` } };
      }
      case 'ws': {
        const { method, headers } = super.getRequest(context);
        const [, token] = String(headers['sec-websocket-protocol'] ?? '').split(/, */);
        return { method, headers: { ...headers, authorization: token && `Bearer ${token}` } };
      }
      default:
        return super.getRequest(context);
    }
  }
}

@WebSocketGateway()
@UseGuards(AppGuard, ScopeGuard)
@UseFilters(SigraExceptionFilter)
class SubprotocolGateway {
  constructor(private readonly tokens: ApiTokenService) {}

  @SubscribeMessage('me')
  me(@CurrentPrincipal() { method }: Principal, @CurrentUser('email') email: string) {
    return { event: 'answer', data: { method, email } };
  }

  @SubscribeMessage('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { event: 'answer', data: {} };
  }

  @SubscribeMessage('service')
  service(@CurrentUser() user: User, @CurrentCaller() caller: Caller) {
    return this.tokens.create(user, { name: '', scopes: ['read:notes'] }, caller);
  }
}

@Injectable()
class ChatHandlers {
  @RequireScopes('read:notes')
  answer(_update: ChatUpdate, @CurrentPrincipal() { tokenId }: Principal, @CurrentUser('email') email: string) {
    return { tokenId, email };
  }
}

describe('A guard that finds the request itself', () => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: { routes: 'error' },
      providers: [SubprotocolGateway, ChatHandlers, AppGuard],
      guard: AppGuard,
      prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const issue = (...scopes: string[]) => test.tokens.create(test.user, { name: 'CI', scopes });

  async function ask(event: string, protocols: string[]): Promise<unknown> {
    const socket = new WebSocket(host.url.replace('http', 'ws'), protocols);
    await once(socket, 'open');
    socket.send(JSON.stringify({ event, data: 'text' }));
    const [message] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    return (JSON.parse(message.toString()) as { data: unknown }).data;
  }

  it('authenticates the messages of a gateway, whose decorators get the principal', async () => {
    const { rawToken } = await issue('read:notes');
    const lacks = insufficientScope(['write:notes'], ['write:notes']).body;

    expect(await ask('me', ['notes', rawToken])).toEqual({ method: 'api_token', email: test.user.email });
    expect(await ask('scoped', ['notes', rawToken])).toEqual(lacks);
    expect(await ask('me', ['notes', 'sigra_sk_x'])).toEqual(INVALID_TOKEN.body);
    expect(await ask('me', ['notes'])).toEqual(UNAUTHORIZED.body);
  });

  it('leaves the errors of services to the filter', async () => {
    const { rawToken } = await issue('read:notes');

    expect(await ask('service', ['notes', rawToken])).toMatchObject({ statusCode: 400, error: 'name_required' });
  });

  it('authenticates the calls of a context that Sigra does not know', async () => {
    const handlers = host.app.get(ChatHandlers);
    const answer = host.app.get(ExternalContextCreator).create(
      handlers,
      // The type of Nest for any method.
      handlers.answer as unknown as (...args: unknown[]) => unknown,
      'answer',
      '__routeArguments__',
      { exchangeKeyForValue: (_type: number, _data: unknown, args: unknown[]) => args[0] },
      undefined,
      undefined,
      undefined,
      'chat',
    );
    const { rawToken, token } = await issue('read:notes');
    const update = { text: 'hi', token: rawToken };
    const refusal = async (call: Promise<unknown>) =>
      call.catch((error: unknown) => (error as { response: unknown }).response);

    expect(await answer(update)).toEqual({ tokenId: token.id, email: test.user.email });
    expect(await refusal(answer({ text: 'hi' }))).toEqual(UNAUTHORIZED.body);
    await test.tokens.revoke(token.id);
    expect(await refusal(answer(update))).toEqual(INVALID_TOKEN.body);
  });
});
