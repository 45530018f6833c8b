import { describe, expect, it } from '@jest/globals';
import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { Principal } from 'nestjs-sigra';
import { actingAs, type ActingPrincipal } from 'nestjs-sigra/testing';

class Route {
  handle() {
    return {};
  }
}

/** What a request carries after the guard. */
async function requestAfter(caller: ActingPrincipal): Promise<{ sigra?: Principal; user?: unknown }> {
  const request = {};
  const route = new Route();
  const context: ExecutionContext = new ExecutionContextHost([request, {}], Route, route.handle);
  await actingAs(caller).canActivate(context);
  return request;
}

describe('the caller of actingAs', () => {
  it('is the very user that the test gives', async () => {
    const user = { id: 7, email: 'ada@example.com' };

    const request = await requestAfter({ user });

    expect(request.user).toBe(user);
    expect(request.sigra).toEqual({ user, userId: '7', method: 'session', scopes: ['*'] });
  });

  it('keeps all that the test says', async () => {
    const caller = { user: { name: 'Ada' }, userId: 'u1', method: 'jwt', scopes: ['admin'], tokenId: 't1' } as const;

    const { sigra } = await requestAfter(caller);

    expect(sigra).toEqual(caller);
  });

  it('comes with a token when a token id is given', async () => {
    const { sigra } = await requestAfter({ userId: '1', tokenId: 't1' });

    expect(sigra).toMatchObject({ method: 'api_token', tokenId: 't1' });
  });

  it('has a token id whenever it comes with a token', async () => {
    const { sigra } = await requestAfter({ userId: '1', method: 'api_token' });

    expect(sigra!.tokenId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is fixed when it is given: later changes of the list of scopes do not count', async () => {
    const scopes: string[] = [];
    const caller = { userId: '1', scopes };

    const before = await requestAfter(caller);
    scopes.push('admin');

    expect(before.sigra!.scopes).toEqual([]);
  });

  it.each<{ user: object }>([{ user: {} }, { user: { id: null } }, { user: { uuid: 'u1' } }])(
    'is refused as %j, which does not say who it is',
    (caller) => {
      expect(() => actingAs(caller)).toThrow(TypeError);
      expect(() => actingAs('anonymous').as(caller)).toThrow('give a userId, or a user with an id');
    },
  );
});
