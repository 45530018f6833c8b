import { describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { headerOf, type HttpRequest, responseOf } from './http-exchange.js';

const request: HttpRequest = { method: 'POST', url: '/graphql', headers: {} };
const response = { header: () => undefined };

function contextOf(type: string, args: unknown[]): ExecutionContext {
  const context = new ExecutionContextHost(args);
  context.setType(type);
  return context;
}

/** The call that a GraphQL driver makes to a guard: with the parent, the arguments, its context and the query. */
const graphql = (context: unknown) => contextOf('graphql', [undefined, { id: 1 }, context, {}]);

describe('responseOf', () => {
  it('finds the response of a controller and of a GraphQL resolver', () => {
    expect(responseOf(contextOf('http', [request, response]))).toBe(response);
    expect(responseOf(graphql({ req: request, res: response }))).toBe(response);
  });

  it('finds the response of Mercurius, and that of Express through its request', () => {
    expect(responseOf(graphql({ req: request, reply: response }))).toBe(response);
    expect(responseOf(graphql({ req: { ...request, res: response } }))).toBe(response);
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
