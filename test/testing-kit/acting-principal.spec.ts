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

/** The properties that the guard leaves on a request. */
async function requestAfter(principal: ActingPrincipal): Promise<{ sigra?: Principal; user?: unknown }> {
  const request = {};
  const route = new Route();
  const context: ExecutionContext = new ExecutionContextHost([request, {}], Route, route.handle);
  await actingAs(principal).canActivate(context);
  return request;
}

describe('the principal of actingAs', () => {
  it('has the very user object of the test', async () => {
    const user = { id: 7, email: 'ada@example.com' };

    const request = await requestAfter({ user });

    expect(request.user).toBe(user);
    expect(request.sigra).toEqual({ user, userId: '7', method: 'session', scopes: ['*'] });
  });

  it('keeps every property that the test sets', async () => {
    const principal = {
      user: { name: 'Ada' },
      userId: 'u1',
      method: 'jwt',
      scopes: ['admin'],
      familyId: 'f1',
    } as const;

    const { sigra } = await requestAfter(principal);

    expect(sigra).toEqual(principal);
  });

  it('derives the method from tokenId or familyId', async () => {
    const byToken = await requestAfter({ userId: '1', tokenId: 't1' });
    const byJwt = await requestAfter({ userId: '1', familyId: 'f1' });

    expect(byToken.sigra).toEqual({
      user: { id: '1' },
      userId: '1',
      scopes: ['*'],
      method: 'api_token',
      tokenId: 't1',
    });
    expect(byJwt.sigra).toEqual({ user: { id: '1' }, userId: '1', scopes: ['*'], method: 'jwt', familyId: 'f1' });
  });

  it('has exactly the properties that a real principal of its method has', async () => {
    const byToken = await requestAfter({ userId: '1', method: 'api_token' });
    const byJwt = await requestAfter({ userId: '1', method: 'jwt' });
    const bySession = await requestAfter({ userId: '1', method: 'session', tokenId: 't1', familyId: 'f1' });

    expect(byToken.sigra!.tokenId).toMatch(/^[0-9a-f-]{36}$/);
    expect(byJwt.sigra!.familyId).toMatch(/^[0-9a-f-]{36}$/);
    expect(bySession.sigra).toEqual({ user: { id: '1' }, userId: '1', scopes: ['*'], method: 'session' });
  });

  it('copies the scopes: later changes of the array have no effect', async () => {
    const scopes: string[] = [];
    const principal = { userId: '1', scopes };

    const before = await requestAfter(principal);
    scopes.push('admin');

    expect(before.sigra!.scopes).toEqual([]);
  });

  it.each<{ user: object }>([{ user: {} }, { user: { id: null } }, { user: { uuid: 'u1' } }])(
    'is rejected as %j, which has no id',
    (principal) => {
      expect(() => actingAs(principal)).toThrow(TypeError);
      expect(() => actingAs('anonymous').as(principal)).toThrow('needs a userId, or a user with an id');
    },
  );
});
