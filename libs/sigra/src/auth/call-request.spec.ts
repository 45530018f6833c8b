import { describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { guardedCall, keepRequest, requestOf } from './call-request.js';
import type { HttpRequest } from './http-exchange.js';

const request: HttpRequest = { method: 'POST', url: '/graphql', headers: {} };
const handshake: HttpRequest = { method: 'GET', headers: { authorization: 'Bearer a' } };

function contextOf(type: string, args: unknown[]): ExecutionContext {
  const context = new ExecutionContextHost(args);
  context.setType(type);
  return context;
}

/** The call that a GraphQL driver makes to a guard: with the parent, the arguments, its context and the query. */
const graphql = (context: unknown) => contextOf('graphql', [undefined, { id: 1 }, context, {}]);

describe('requestOf', () => {
  it('finds the request of a controller', () => {
    expect(requestOf(contextOf('http', [request, {}]))).toBe(request);
  });

  it('finds the request of a GraphQL resolver in its context', () => {
    expect(requestOf(graphql({ req: request }))).toBe(request);
  });

  it('does not mistake the arguments of a GraphQL query for its context', () => {
    const context = contextOf('graphql', [{ req: request }, { req: request }, {}, { req: request }]);

    expect(() => requestOf(context)).toThrow('no request to authenticate in a call of type "graphql"');
  });

  it.each([undefined, null, {}, { req: undefined }, { req: null }, { req: 'GET /' }])(
    'throws for a GraphQL context of %j',
    (context) => {
      expect(() => requestOf(graphql(context))).toThrow(TypeError);
    },
  );

  it.each(['ws', 'telegraf'])('throws for a call of type %s without a request instead of letting it pass', (type) => {
    expect(() => requestOf(contextOf(type, [{}, {}]))).toThrow(
      `sigra: no request to authenticate in a call of type "${type}": extend the guard`,
    );
  });

  it('gives the guards and the decorators of one message the same request, and each message its own', () => {
    const client = { request: handshake };
    const args = [client, 'text', 'event'];
    const first = requestOf(contextOf('ws', args));

    // Nest spreads the arguments for the decorators.
    expect(requestOf(contextOf('ws', [...args]))).toBe(first);
    expect(requestOf(contextOf('ws', args))).toBe(first);
    expect(requestOf(contextOf('ws', [client, 'text', 'event']))).not.toBe(first);
  });

  it('leaves the arguments of a message handler where Nest reads them', () => {
    const acknowledge = () => undefined;
    const args: unknown[] = [{ request: handshake }, 'text', acknowledge, 'event'];

    requestOf(contextOf('ws', args));

    expect([args[1], args[2], args.at(-1)]).toEqual(['text', acknowledge, 'event']);
  });

  it('does not add a principal to a handshake', () => {
    const found = requestOf(contextOf('ws', [{ request: handshake }, 'text', 'event']));

    found.sigra = { user: {}, userId: '1', method: 'jwt', scopes: [] };
    found.user = {};

    expect(Object.keys(handshake)).toEqual(['method', 'headers']);
  });
});

describe('keepRequest', () => {
  it('makes the request of a guard that of the decorators, in a context that Sigra does not know', () => {
    const update = {};

    keepRequest(contextOf('telegraf', [update]), request);

    expect(requestOf(contextOf('telegraf', [update]))).toBe(request);
    expect(() => requestOf(contextOf('telegraf', [{}]))).toThrow(TypeError);
  });

  it('replaces the request of a message', () => {
    const args: unknown[] = [{ request: handshake }, {}, 'event'];
    requestOf(contextOf('ws', args));

    keepRequest(contextOf('ws', args), request);

    expect(requestOf(contextOf('ws', [...args]))).toBe(request);
  });
});

describe('guardedCall', () => {
  const carrierOf = (context: ExecutionContext) => guardedCall(context, requestOf(context)).carrier;

  it('knows how a call arrived', () => {
    const connection = { extra: { request: handshake }, connectionParams: {} };

    expect(carrierOf(contextOf('http', [request, {}]))).toBeUndefined();
    expect(carrierOf(graphql({ req: request }))).toBeUndefined();
    expect(carrierOf(graphql({ req: connection }))).toBe('socket');
    expect(carrierOf(graphql({ request: handshake, _connectionInit: {} }))).toBe('socket');
    expect(carrierOf(contextOf('ws', [{ request: handshake }, {}, 'event']))).toBe('socket');
    expect(carrierOf(contextOf('rpc', [{}, {}]))).toBe('microservice');
  });
});
