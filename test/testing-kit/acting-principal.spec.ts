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
    const caller = { user: { name: 'Ada' }, userId: 'u1', method: 'jwt', scopes: ['admin'], familyId: 'f1' } as const;

    const { sigra } = await requestAfter(caller);

    expect(sigra).toEqual(caller);
  });

  it('got in by what the test names of its credential', async () => {
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

  it('has what a real caller of its kind has', async () => {
    const byToken = await requestAfter({ userId: '1', method: 'api_token' });
    const byJwt = await requestAfter({ userId: '1', method: 'jwt' });
    const bySession = await requestAfter({ userId: '1', method: 'session', tokenId: 't1', familyId: 'f1' });

    expect(byToken.sigra!.tokenId).toMatch(/^[0-9a-f-]{36}$/);
    expect(byJwt.sigra!.familyId).toMatch(/^[0-9a-f-]{36}$/);
    expect(bySession.sigra).toEqual({ user: { id: '1' }, userId: '1', scopes: ['*'], method: 'session' });
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
