import { Controller, Get } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AllowAnonymous, CurrentPrincipal, OptionalAuth, type Principal, RequireScopes } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, insufficientScope, UNAUTHORIZED } from '../support/answers.js';

const whoIs = (principal?: Principal) => ({ userId: principal?.userId ?? null });

@Controller('scoped')
@RequireScopes('read:notes')
class ScopedController {
  @Get('plain')
  plain(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('more')
  @RequireScopes('write:notes')
  more(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('alternatives')
  @RequireScopes({ any: ['write:notes', 'admin'] })
  alternatives(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('stacked')
  @RequireScopes('write:notes')
  @RequireScopes({ any: ['profile:read', 'admin'] })
  stacked(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('open')
  @AllowAnonymous()
  open(@CurrentPrincipal() principal?: Principal) {
    return whoIs(principal);
  }

  @Get('open-and-scoped')
  @AllowAnonymous()
  @RequireScopes('write:notes')
  openAndScoped(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }
}

@Controller('open')
@AllowAnonymous()
class OpenController {
  @Get('plain')
  plain(@CurrentPrincipal() principal?: Principal) {
    return whoIs(principal);
  }

  @Get('scoped')
  @RequireScopes('write:notes')
  scoped(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return whoIs(principal);
  }
}

@Controller('contradiction')
@AllowAnonymous()
@RequireScopes('write:notes')
class ContradictoryController {
  @Get('plain')
  plain(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }
}

abstract class NoteBase {
  @Get('inherited')
  @RequireScopes('read:notes')
  inherited(@CurrentPrincipal() principal: Principal) {
    return whoIs(principal);
  }
}

@Controller('child')
@RequireScopes('profile:read')
class ChildController extends NoteBase {}

@Controller('open-child')
@AllowAnonymous()
class OpenChildController extends NoteBase {}

@Controller('grandchild')
@RequireScopes('admin')
class GrandchildController extends ScopedController {}

@Controller('plain-child')
class PlainChildController extends ScopedController {}

describe.each(ADAPTERS)('The rules of a route on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: [
        ScopedController,
        OpenController,
        ContradictoryController,
        ChildController,
        OpenChildController,
        GrandchildController,
        PlainChildController,
      ],
    });
  });
  afterAll(() => test.close());

  /** Sends a request with a new token that has the scopes, or without a credential. */
  async function get(path: string, ...scopes: string[]) {
    if (scopes.length === 0) return answerOf(await fetch(test.url + path));
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes });
    return answerOf(await fetch(test.url + path, { headers: { authorization: `Bearer ${rawToken}` } }));
  }
  const asUser = () => ({ status: 200, challenge: null, body: { userId: test.user.id } });
  const asAnonymous = { status: 200, challenge: null, body: { userId: null } };

  it('add up: controller and handler', async () => {
    expect(await get('/scoped/plain', 'read:notes')).toEqual(asUser());
    expect(await get('/scoped/more', 'read:notes', 'write:notes')).toEqual(asUser());
    expect(await get('/scoped/more', 'read:notes')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['write:notes']),
    );
    expect(await get('/scoped/more', 'write:notes')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['read:notes']),
    );
  });

  it('add up: all of the controller and any of the handler', async () => {
    const required = ['read:notes', 'write:notes', 'admin'];

    expect(await get('/scoped/alternatives', 'read:notes', 'admin')).toEqual(asUser());
    expect(await get('/scoped/alternatives', 'admin')).toEqual(insufficientScope(required, ['read:notes']));
    expect(await get('/scoped/alternatives', 'read:notes')).toEqual(
      insufficientScope(required, ['write:notes', 'admin']),
    );
  });

  it('add up: several decorators on one handler', async () => {
    const required = ['read:notes', 'write:notes', 'profile:read', 'admin'];

    expect(await get('/scoped/stacked', 'read:notes', 'write:notes', 'admin')).toEqual(asUser());
    expect(await get('/scoped/stacked', 'read:notes', 'write:notes')).toEqual(
      insufficientScope(required, ['profile:read', 'admin']),
    );
    expect(await get('/scoped/stacked', 'read:notes', 'admin')).toEqual(insufficientScope(required, ['write:notes']));
  });

  it('are read once for a handler, and not for each request', async () => {
    await get('/scoped/more', 'read:notes', 'write:notes');
    const lookUps = jest.spyOn(Reflect, 'getMetadata');

    const again = await get('/scoped/more', 'read:notes', 'write:notes');
    const ours = lookUps.mock.calls.filter(([key]) => String(key).startsWith('sigra:'));
    lookUps.mockRestore();

    expect(again).toEqual(asUser());
    expect(ours).toEqual([]);
  });

  it('can open one handler of a scoped controller', async () => {
    expect(await get('/scoped/open')).toEqual(asAnonymous);
  });

  it('are not opened by accident: scopes win at the same place, and on the handler', async () => {
    for (const path of ['/scoped/open-and-scoped', '/open/scoped', '/contradiction/plain']) {
      expect(await get(path)).toEqual(UNAUTHORIZED);
    }
    expect(await get('/open/scoped', 'write:notes')).toEqual(asUser());
    expect(await get('/open/scoped', 'read:notes')).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('are not opened by an optional handler of a scoped controller', async () => {
    expect(await get('/scoped/optional')).toEqual(UNAUTHORIZED);
    expect(await get('/scoped/optional', 'read:notes')).toEqual(asUser());
  });

  it('are read from the handler before the controller', async () => {
    expect(await get('/open/plain', 'read:notes')).toEqual(asAnonymous);
    expect(await get('/open/optional', 'read:notes')).toEqual(asUser());
    expect(await get('/open/optional')).toEqual(asAnonymous);
  });

  it('add up: an inherited handler and the controller that inherits it', async () => {
    expect(await get('/child/inherited', 'read:notes', 'profile:read')).toEqual(asUser());
    expect(await get('/child/inherited', 'read:notes')).toEqual(
      insufficientScope(['profile:read', 'read:notes'], ['profile:read']),
    );
    expect(await get('/child/inherited', 'profile:read')).toEqual(
      insufficientScope(['profile:read', 'read:notes'], ['read:notes']),
    );
  });

  it('of one handler differ between the controllers that inherit it', async () => {
    expect(await get('/open-child/inherited')).toEqual(UNAUTHORIZED);
    expect(await get('/open-child/inherited', 'read:notes')).toEqual(asUser());
    expect((await get('/child/inherited', 'read:notes')).status).toBe(403);
  });

  it('add up: a controller and the one that it extends', async () => {
    expect(await get('/grandchild/plain', 'admin', 'read:notes')).toEqual(asUser());
    expect(await get('/grandchild/plain', 'admin')).toEqual(insufficientScope(['admin', 'read:notes'], ['read:notes']));
    expect(await get('/grandchild/plain', 'read:notes')).toEqual(insufficientScope(['admin', 'read:notes'], ['admin']));
    expect((await get('/scoped/plain', 'read:notes')).status).toBe(200);
  });

  it('are inherited by a controller without rules of its own', async () => {
    expect(await get('/plain-child/plain')).toEqual(UNAUTHORIZED);
    expect(await get('/plain-child/plain', 'admin')).toEqual(insufficientScope(['read:notes'], ['read:notes']));
    expect(await get('/plain-child/open')).toEqual(asAnonymous);
  });

  it('are met by wildcards, which grant only scopes that begin with their prefix', async () => {
    expect((await get('/scoped/more', '*')).status).toBe(200);
    expect((await get('/scoped/more', 'read:*', 'write:*')).status).toBe(200);
    expect(await get('/scoped/more', 'read:*')).toEqual(
      insufficientScope(['read:notes', 'write:notes'], ['write:notes']),
    );
  });
});
