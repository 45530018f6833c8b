import {
  applyDecorators,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import {
  admit,
  AllowAnonymous,
  BearerAuthGuard,
  EnforcesScopes,
  OptionalAuth,
  RequireScopes,
  ScopeGuard,
  SessionAuthGuard,
  SigraAuthGuard,
} from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';

const OPEN = { open: true };

/** A decorator that replaces the method, as those for caching, tracing or transactions do. */
function Wrapped(): MethodDecorator {
  return (_target, _name, descriptor) => {
    const original = descriptor.value as unknown as (...given: unknown[]) => unknown;
    descriptor.value = function (this: unknown, ...given: unknown[]) {
      return original.apply(this, given);
    } as never;
  };
}

/** Like `Wrapped`, and copies the metadata of the method. */
function WrappedWithMetadata(): MethodDecorator {
  return (target, name, descriptor) => {
    const original = descriptor.value as object;
    Wrapped()(target, name, descriptor);
    for (const key of Reflect.getMetadataKeys(original)) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), descriptor.value as object);
    }
  };
}

@Controller('wrapped')
class WrappedController {
  @Get('once')
  @Wrapped()
  @RequireScopes('admin')
  once() {
    return OPEN;
  }

  @Get('twice')
  @Wrapped()
  @Wrapped()
  @RequireScopes('admin')
  twice() {
    return OPEN;
  }

  @Get('between')
  @RequireScopes('admin')
  @Wrapped()
  @RequireScopes('read:notes')
  between() {
    return OPEN;
  }

  @WrappedWithMetadata()
  @Get('copied')
  @RequireScopes('admin')
  copied() {
    return OPEN;
  }

  @Get('composed')
  @Wrapped()
  @applyDecorators(RequireScopes('admin'))
  composed() {
    return OPEN;
  }

  @Get('any')
  @Wrapped()
  @RequireScopes({ any: ['admin', 'write:notes'] })
  any() {
    return OPEN;
  }
}

@Controller('base')
class BaseController {
  @Get('same')
  @RequireScopes('admin')
  same() {
    return OPEN;
  }

  @Get('wrapped')
  @Wrapped()
  @RequireScopes('admin')
  wrapped() {
    return OPEN;
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return OPEN;
  }
}

@Controller('child')
class ChildController extends BaseController {
  @Get('same')
  override same() {
    return super.same();
  }

  @Get('wrapped')
  override wrapped() {
    return super.wrapped();
  }

  @Get('open')
  override open() {
    return super.open();
  }
}

@Controller('grandchild')
class GrandchildController extends ChildController {
  @Get('same')
  @Wrapped()
  override same() {
    return super.same();
  }
}

@Controller('heir')
class HeirController extends BaseController {}

@Controller('anonymous')
@AllowAnonymous()
class AnonymousController {
  @Get('plain')
  plain() {
    return OPEN;
  }

  @Get('session')
  @UseGuards(SessionAuthGuard)
  session() {
    return OPEN;
  }

  @Get('bearer')
  @UseGuards(BearerAuthGuard)
  bearer() {
    return OPEN;
  }

  @Get('scoped')
  @Wrapped()
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('of-anonymous')
class OfAnonymousController extends AnonymousController {
  @Get('more')
  more() {
    return OPEN;
  }
}

@Controller('optional')
@OptionalAuth()
class OptionalController {
  @Get('plain')
  plain() {
    return OPEN;
  }
}

@Controller('of-optional')
class OfOptionalController extends OptionalController {}

@Controller('scoped')
@RequireScopes('admin')
class ScopedController {
  @Get('plain')
  plain() {
    return OPEN;
  }

  @Get('more')
  @Wrapped()
  @RequireScopes('read:notes')
  more() {
    return OPEN;
  }
}

@Controller('of-scoped')
@RequireScopes('read:notes')
class OfScopedController extends ScopedController {
  @Get('plain')
  override plain() {
    return super.plain();
  }
}

const CONTROLLERS = [
  WrappedController,
  BaseController,
  ChildController,
  GrandchildController,
  HeirController,
  AnonymousController,
  OfAnonymousController,
  OptionalController,
  OfOptionalController,
  ScopedController,
  OfScopedController,
];

describe.each(ADAPTERS)('A decorator that another one hides, on %s', (adapter) => {
  let test: TestApp;
  let weak: string;
  let strong: string;

  beforeAll(async () => {
    test = await startTestApp({ adapter, controllers: CONTROLLERS, sigra: { routes: 'error' } });
    const issue = async (...scopes: string[]) => (await test.tokens.create(test.user, { name: 'CI', scopes })).rawToken;
    weak = await issue('read:notes');
    strong = await issue('*');
  });
  afterAll(() => test.close());

  const get = async (path: string, rawToken?: string) =>
    (
      await fetch(
        `${test.url}/${path}`,
        rawToken === undefined ? {} : { headers: { authorization: `Bearer ${rawToken}` } },
      )
    ).status;

  it.each([
    'wrapped/once',
    'wrapped/twice',
    'wrapped/between',
    'wrapped/copied',
    'wrapped/composed',
    'wrapped/any',
    'base/same',
    'base/wrapped',
    'child/same',
    'child/wrapped',
    'grandchild/same',
    'grandchild/wrapped',
    'heir/same',
    'heir/wrapped',
    'anonymous/scoped',
    'of-anonymous/scoped',
    'scoped/plain',
    'scoped/more',
    'of-scoped/plain',
    'of-scoped/more',
  ])('keeps the scopes of %s', async (path) => {
    expect([await get(path), await get(path, weak), await get(path, strong)]).toEqual([401, 403, 200]);
  });

  it.each(['child/open', 'of-anonymous/plain', 'of-anonymous/more', 'anonymous/bearer', 'of-optional/plain'])(
    'does not open %s',
    async (path) => {
      expect([await get(path), await get(path, weak)]).toEqual([401, 200]);
    },
  );

  it('lets a guard of a handler win over an anonymous class', async () => {
    expect([await get('anonymous/session'), await get('anonymous/session', weak)]).toEqual([401, 401]);
  });

  it.each(['base/open', 'heir/open', 'anonymous/plain', 'optional/plain'])('opens %s, as declared', async (path) => {
    expect(await get(path)).toBe(200);
  });
});

@Injectable()
class OwnGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@Injectable()
@EnforcesScopes()
class AdmittingGuard implements CanActivate {
  canActivate(context: ExecutionContext): Promise<boolean> {
    return admit(context, { realm: 'api' }, () => undefined);
  }
}

function controllerWith(...decorators: MethodDecorator[]): Type<object> {
  @Controller('notes')
  class NotesController {
    @Get('list')
    @applyDecorators(...decorators)
    list() {
      return OPEN;
    }
  }
  return NotesController;
}

@Injectable()
class PlainService {
  @RequireScopes('admin')
  work() {
    return OPEN;
  }
}

@Controller('silent')
@AllowAnonymous()
@RequireScopes('admin')
class ContradictoryController {
  @Get()
  list() {
    return OPEN;
  }
}

describe('The check of all handlers at boot', () => {
  const boot = async (controller: Type<object>, routes: 'error' | 'warn' | 'off' = 'error', guarded = false) => {
    const test = await startTestApp({
      controllers: [controller],
      sigra: { routes },
      ...(!guarded && { withoutGuard: true }),
    });
    await test.close();
  };

  it.each<[string, Type<object>, RegExp]>([
    ['no guard', controllerWith(RequireScopes('admin')), /NotesController\.list requires scopes, but no guard/],
    [
      'a guard of its own without admit()',
      controllerWith(UseGuards(OwnGuard), RequireScopes('admin')),
      /NotesController\.list requires scopes, but no guard/,
    ],
    [
      'Passport alone',
      controllerWith(UseGuards(AuthGuard('bearer')), RequireScopes('admin')),
      /NotesController\.list requires scopes, but no guard/,
    ],
    [
      'a guard that a wrapper has hidden',
      controllerWith(RequireScopes('admin'), UseGuards(SigraAuthGuard), Wrapped()),
      /NotesController\.list requires scopes, but no guard/,
    ],
    [
      'a scope that is not registered',
      controllerWith(UseGuards(SigraAuthGuard), RequireScopes('read:note')),
      /NotesController\.list requires the scope read:note, which is not in apiTokens\.scopes/,
    ],
    [
      'a scope that is not registered, among alternatives',
      controllerWith(UseGuards(SigraAuthGuard), RequireScopes({ any: ['admin', 'superuser'] })),
      /requires the scope superuser/,
    ],
    [
      'scopes and @AllowAnonymous()',
      controllerWith(UseGuards(SigraAuthGuard), AllowAnonymous(), RequireScopes('admin')),
      /NotesController\.list requires scopes or a kind and allows requests without a credential/,
    ],
    [
      'scopes and @OptionalAuth()',
      controllerWith(UseGuards(SigraAuthGuard), OptionalAuth(), RequireScopes('admin')),
      /NotesController\.list requires scopes or a kind and allows requests without a credential/,
    ],
    [
      'contradicting decorators of a class',
      ContradictoryController,
      /ContradictoryController requires scopes or a kind and allows/,
    ],
  ])('refuses %s', async (_what, controller, message) => {
    const refusal = boot(controller);

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'routes' });
    await expect(refusal).rejects.toThrow(message);
  });

  it('refuses scopes of a method that no request reaches', async () => {
    const refusal = startTestApp({ withoutGuard: true, providers: [PlainService], sigra: { routes: 'error' } });

    await expect(refusal).rejects.toThrow(/PlainService\.work requires scopes, but no guard/);
  });

  it.each<[string, Type<object>]>([
    ['a guard of Sigra', controllerWith(UseGuards(SigraAuthGuard), RequireScopes('admin'))],
    ['Passport with ScopeGuard', controllerWith(UseGuards(AuthGuard('bearer'), ScopeGuard), RequireScopes('admin'))],
    ['a guard that declares to enforce scopes', controllerWith(UseGuards(AdmittingGuard), RequireScopes('admin'))],
    ['a wildcard of registered scopes', controllerWith(UseGuards(SigraAuthGuard), RequireScopes('read:*'))],
  ])('accepts %s', async (_what, controller) => {
    await boot(controller);
  });

  it('accepts scopes behind a global guard', async () => {
    await boot(controllerWith(RequireScopes('admin')), 'error', true);
  });

  it('accepts a guard that a test has replaced', async () => {
    const test = await startTestApp({
      controllers: [controllerWith(RequireScopes('admin'))],
      sigra: { routes: 'error' },
      configure: withoutGlobalGuard,
    });
    await test.close();
  });

  it('only warns with routes: warn, and does not look with routes: off', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();

    await boot(controllerWith(RequireScopes('admin')), 'warn');
    const warned = warn.mock.calls.map(([text]) => String(text));
    warn.mockClear();
    await boot(controllerWith(RequireScopes('admin')), 'off');
    const silent = warn.mock.calls.map(([text]) => String(text));
    warn.mockRestore();

    expect(warned.filter((text) => text.includes('NotesController.list'))).toHaveLength(1);
    expect(silent.filter((text) => text.includes('NotesController.list'))).toEqual([]);
  });
});
