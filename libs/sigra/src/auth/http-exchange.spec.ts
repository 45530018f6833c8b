import { describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { headerOf, type HttpRequest, requestOf, responseOf } from './http-exchange.js';

const request: HttpRequest = { method: 'POST', url: '/graphql', headers: {} };
const response = { header: () => undefined };

function contextOf(type: string, args: unknown[]): ExecutionContext {
  const context = new ExecutionContextHost(args);
  context.setType(type);
  return context;
}

/** The call that a GraphQL driver makes to a guard: with the parent, the arguments, its context and the query. */
const graphql = (context: unknown) => contextOf('graphql', [undefined, { id: 1 }, context, {}]);

describe('requestOf', () => {
  it('finds the request of a controller', () => {
    expect(requestOf(contextOf('http', [request, response]))).toBe(request);
  });

  it('finds the request of a GraphQL resolver in its context', () => {
    expect(requestOf(graphql({ req: request, res: response }))).toBe(request);
  });

  it('does not mistake the arguments of a GraphQL query for its context', () => {
    const context = contextOf('graphql', [{ req: request }, { req: request }, {}, { req: request }]);

    expect(() => requestOf(context)).toThrow('a "graphql" call carries no HTTP request');
  });

  it.each([undefined, null, {}, { req: undefined }, { req: null }, { req: 'GET /' }])(
    'throws for a GraphQL context of %j',
    (context) => {
      expect(() => requestOf(graphql(context))).toThrow(TypeError);
    },
  );

  it.each(['rpc', 'ws', 'kafka'])('throws for a call of type %s instead of letting it pass', (type) => {
    expect(() => requestOf(contextOf(type, [request, response]))).toThrow(`a "${type}" call carries no HTTP request`);
  });
});

describe('responseOf', () => {
  it('finds the response of a controller and of a GraphQL resolver', () => {
    expect(responseOf(contextOf('http', [request, response]))).toBe(response);
    expect(responseOf(graphql({ req: request, res: response }))).toBe(response);
  });

  it.each([undefined, {}, { res: {} }, { res: { header: 'x' } }])(
    'finds no response in a GraphQL context of %j, as a subscription has',
    (context) => {
      expect(responseOf(graphql(context))).toBeUndefined();
    },
  );
});

describe('headerOf', () => {
  it('returns the first of several values', () => {
    expect(headerOf({ ...request, headers: { origin: ['a', 'b'] } }, 'origin')).toBe('a');
  });

  it('treats values that are not strings as absent', () => {
    const headers = { origin: 1, host: [{}], cookie: {} } as unknown as HttpRequest['headers'];

    expect(['origin', 'host', 'cookie'].map((name) => headerOf({ ...request, headers }, name))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
