import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  All,
  applyDecorators,
  type CallHandler,
  Controller,
  type DynamicModule,
  type ExecutionContext,
  Get,
  Head,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  Options,
  RequestMethod,
  Scope,
  Sse,
  type Type,
  UseGuards,
  UseInterceptors,
  Version,
  VersioningType,
} from '@nestjs/common';
import { LazyModuleLoader, ModuleRef, Reflector, REQUEST, RouterModule } from '@nestjs/core';
import { AllowAnonymous, OptionalAuth, RequireScopes, SigraAuthGuard } from 'nestjs-sigra';
import { of } from 'rxjs';
import { type HostApp, startHost } from '../support/host-app.js';
import { ADAPTERS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';

const OPEN = { open: true };
type Method = (...given: unknown[]) => unknown;

/** Replaces the method, as decorators for caching or transactions do. */
function Wrapped(): MethodDecorator {
  return (_target, _name, descriptor) => {
    const original = descriptor.value as unknown as Method;
    descriptor.value = function (this: unknown, ...given: unknown[]) {
      return original.apply(this, given);
    } as never;
  };
}

/** Stands for a library that answers before the handler, such as a cache. */
@Injectable()
class ShortCircuit implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler) {
    return Math.random() < 2 ? of(OPEN) : next.handle();
  }
}

@Controller('plain')
class PlainController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }

  @Get('wrapped')
  @Wrapped()
  @RequireScopes('admin')
  wrapped() {
    return OPEN;
  }

  @Get('composed')
  @applyDecorators(Wrapped(), RequireScopes('admin'))
  composed() {
    return OPEN;
  }

  @Get('composed-after')
  @applyDecorators(RequireScopes('admin'), Wrapped())
  composedAfter() {
    return OPEN;
  }

  @Get(['first', 'second', 'third/:id'])
  @RequireScopes('admin')
  severalPaths() {
    return OPEN;
  }

  @All('all')
  @RequireScopes('admin')
  all() {
    return OPEN;
  }

  @Head('head')
  @RequireScopes('admin')
  head() {
    return undefined;
  }

  @Options('options')
  @RequireScopes('admin')
  options() {
    return OPEN;
  }

  @Sse('sse')
  @RequireScopes('admin')
  sse() {
    return of({ data: 'open' });
  }

  @Get('short')
  @UseInterceptors(ShortCircuit)
  @RequireScopes('admin')
  short() {
    return {};
  }

  @Version('2')
  @Get('versioned')
  @RequireScopes('admin')
  versioned() {
    return OPEN;
  }

  @Get('generator')
  @RequireScopes('admin')
  async generator() {
    return Promise.resolve(OPEN);
  }

  @Get()
  @RequireScopes('admin')
  index() {
    return OPEN;
  }
}

abstract class AbstractController {
  @Get('inherited')
  @RequireScopes('admin')
  inherited() {
    return OPEN;
  }

  @Get('redeclared')
  @RequireScopes('admin')
  redeclared() {
    return OPEN;
  }
}

@Controller('child')
class ChildController extends AbstractController {
  @Get('redeclared')
  override redeclared() {
    return OPEN;
  }
}

class RoutelessBase {
  name = 'base';
}

function Listing<Base extends Type<object>>(base: Base) {
  class ListingMixin extends base {
    @Get('mixed')
    @RequireScopes('admin')
    mixed() {
      return OPEN;
    }
  }
  return ListingMixin;
}

@Controller('mixin')
class MixinController extends Listing(RoutelessBase) {}

@Controller('of-class')
@AllowAnonymous()
class AnonymousClassController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('of-optional')
@OptionalAuth()
class OptionalClassController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('bound')
class BoundController {
  constructor() {
    this.bound = this.bound.bind(this);
    const { replaced } = this;
    this.replaced = () => replaced.call(this);
  }

  @Get('bound')
  @RequireScopes('admin')
  bound() {
    return OPEN;
  }

  @Get('replaced')
  @RequireScopes('admin')
  replaced() {
    return OPEN;
  }
}

@Controller('traced')
class TracedController extends AbstractController {
  constructor() {
    super();
    // As tracing libraries do: a function with the name and the metadata of the method.
    const method = this.redeclared.bind(this);
    const traced = () => method();
    Object.defineProperty(traced, 'name', { value: 'redeclared' });
    for (const key of Reflect.getMetadataKeys(this.redeclared)) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, this.redeclared), traced);
    }
    this.redeclared = traced;
  }

  @Get('redeclared')
  override redeclared() {
    return OPEN;
  }
}

@Controller('defined')
class DefinedController {
  @Get('again')
  @RequireScopes('admin')
  again() {
    return OPEN;
  }
}
const declared = DefinedController.prototype.again;
function redefined() {
  return OPEN;
}
for (const key of ['path', 'method']) Reflect.defineMetadata(key, Reflect.getMetadata(key, declared), redefined);
Object.defineProperty(DefinedController.prototype, 'again', { value: redefined, configurable: true, writable: true });

@Controller('copied')
class CopiedController {}
Object.defineProperty(CopiedController.prototype, 'scoped', {
  value: PlainController.prototype.scoped,
  configurable: true,
  writable: true,
});

@Controller({ path: 'per-request', scope: Scope.REQUEST })
class RequestScopedController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('of-request')
class OfRequestController {
  constructor(@Inject(REQUEST) readonly request: unknown) {}

  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('proxied')
class ProxiedController {
  constructor() {
    return new Proxy(this, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' && name !== 'constructor' ? (value as Method).bind(target) : value;
      },
    });
  }

  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}

@Controller('dynamic')
class DynamicController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}
@Module({})
class HostDynamicModule {}
const dynamicModule: DynamicModule = { module: HostDynamicModule, controllers: [DynamicController] };

@Controller('routed')
class RoutedController {
  @Get('scoped')
  @RequireScopes('admin')
  scoped() {
    return OPEN;
  }
}
@Module({ controllers: [RoutedController] })
class RoutedModule {}

const SYMBOL = Symbol('scoped');
/** Nest does not make routes of these; if it did, they would have to be closed. */
@Controller('unrouted')
class UnroutedController {
  @Get('symbol')
  [SYMBOL]() {
    return OPEN;
  }

  property = Get('property')(this, 'property', { value: () => OPEN }) ?? (() => OPEN);

  get getter() {
    return () => OPEN;
  }
}

@Controller('lazy')
class LazyController {
  @Get()
  @RequireScopes('admin')
  list() {
    return OPEN;
  }
}
@Module({ controllers: [LazyController] })
class LazyModule {}

const ROUTES: readonly [what: string, method: string, path: string][] = [
  ['a scoped handler', 'GET', 'plain/scoped'],
  ['a decorator that replaces the method', 'GET', 'plain/wrapped'],
  ['applyDecorators() with a wrapper before', 'GET', 'plain/composed'],
  ['applyDecorators() with a wrapper after', 'GET', 'plain/composed-after'],
  ['the first of several paths', 'GET', 'plain/first'],
  ['the second of several paths', 'GET', 'plain/second'],
  ['a path with a parameter', 'GET', 'plain/third/1'],
  ['the path of the controller', 'GET', 'plain'],
  ['a trailing slash', 'GET', 'plain/'],
  ['@All() by GET', 'GET', 'plain/all'],
  ['@All() by POST', 'POST', 'plain/all'],
  ['@All() by DELETE', 'DELETE', 'plain/all'],
  ['@All() by OPTIONS', 'OPTIONS', 'plain/all'],
  ['@All() by HEAD', 'HEAD', 'plain/all'],
  ['HEAD of a GET handler', 'HEAD', 'plain/scoped'],
  ['@Head()', 'HEAD', 'plain/head'],
  ['@Options()', 'OPTIONS', 'plain/options'],
  ['@Sse()', 'GET', 'plain/sse'],
  ['an interceptor that answers first', 'GET', 'plain/short'],
  ['a version', 'GET', 'v2/plain/versioned'],
  ['an asynchronous handler', 'GET', 'plain/generator'],
  ['a handler of an abstract class', 'GET', 'child/inherited'],
  ['a method that a subclass declares anew', 'GET', 'child/redeclared'],
  ['a mixin', 'GET', 'mixin/mixed'],
  ['an anonymous class', 'GET', 'of-class/scoped'],
  ['an optional class', 'GET', 'of-optional/scoped'],
  ['a method that the constructor binds', 'GET', 'bound/bound'],
  ['a method that the constructor replaces', 'GET', 'bound/replaced'],
  ['a wrapper with the metadata of the method', 'GET', 'traced/redeclared'],
  ['a method that is defined again', 'GET', 'defined/again'],
  ['a method of another controller', 'GET', 'copied/scoped'],
  ['a request-scoped controller', 'GET', 'per-request/scoped'],
  ['a controller that injects the request', 'GET', 'of-request/scoped'],
  ['a Proxy around a controller', 'GET', 'proxied/scoped'],
  ['a dynamic module', 'GET', 'dynamic/scoped'],
  ['a prefix of RouterModule', 'GET', 'prefix/routed/scoped'],
];

/** An application that replaces what Nest reads metadata with. */
class BlindReflector extends Reflector {
  override get(): never {
    return undefined as never;
  }

  override getAllAndOverride(): never {
    return undefined as never;
  }
}

describe.each(ADAPTERS)('A guard or a decorator that seems to be lost, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;
  let weak: string;
  let strong: string;

  beforeAll(async () => {
    test = await startTestApp();
    const issue = async (...scopes: string[]) => (await test.tokens.create(test.user, { name: 'CI', scopes })).rawToken;
    [weak, strong] = [await issue('read:notes'), await issue('*')];
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: { routes: 'error' },
      controllers: [
        PlainController,
        ChildController,
        MixinController,
        AnonymousClassController,
        OptionalClassController,
        BoundController,
        TracedController,
        DefinedController,
        CopiedController,
        RequestScopedController,
        OfRequestController,
        ProxiedController,
        UnroutedController,
      ],
      providers: [{ provide: Reflector, useClass: BlindReflector }],
      imports: [dynamicModule, RoutedModule, RouterModule.register([{ path: 'prefix', module: RoutedModule }])],
      prepare: (app) => {
        app.enableVersioning({ type: VersioningType.URI });
        app.setGlobalPrefix('', { exclude: [{ path: 'plain/scoped', method: RequestMethod.GET }] });
      },
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const statusOf = async (method: string, path: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${host.url}/${path}`, { method, headers });
    await response.body?.cancel();
    return response.status;
  };

  it.each(ROUTES)('is in force for %s', async (_what, method, path) => {
    const isMissing = adapter === 'fastify' && path.endsWith('/');

    const refusals = [await statusOf(method, path), await statusOf(method, path, weak)];
    const accepted = await statusOf(method, path, strong);

    expect(refusals).toEqual(isMissing ? [404, 404] : [401, 403]);
    expect(isMissing || (accepted >= 200 && accepted < 300)).toBe(true);
  });

  it.each(['symbol', 'property', 'getter'])('has no route to protect: unrouted/%s', async (path) => {
    expect(await statusOf('GET', `unrouted/${path}`, strong)).toBe(404);
  });

  it('has no route to protect for a controller that is created or loaded later', async () => {
    await host.app.get(ModuleRef).create(LazyController);
    await host.app.get(LazyModuleLoader).load(() => LazyModule);

    expect(await statusOf('GET', 'lazy', strong)).toBe(404);
  });
});

@Controller('bare')
class BareController {
  @Get()
  @RequireScopes('admin')
  list() {
    return OPEN;
  }
}

@Controller('guarded')
class GuardedController {
  @Get()
  @UseGuards(SigraAuthGuard)
  @RequireScopes('admin')
  list() {
    return OPEN;
  }
}

@Controller('overriding')
class OverridingController extends GuardedController {
  @Get()
  override list() {
    return OPEN;
  }
}

@Controller('hidden')
class HiddenController {
  @Get()
  @Wrapped()
  @UseGuards(SigraAuthGuard)
  @RequireScopes('admin')
  list() {
    return OPEN;
  }
}

@Controller('other')
class OtherMethodController extends GuardedController {
  @Get('more')
  @RequireScopes('admin')
  more() {
    return OPEN;
  }
}

@Controller({ path: 'per-request', scope: Scope.REQUEST })
class BareRequestScopedController extends BareController {}

@Module({ controllers: [BareController] })
class BareModule {}

class NotAGuard {
  canActivate(): boolean {
    return true;
  }
}

@Controller('foreign')
@UseGuards(new NotAGuard())
class ForeignGuardController extends BareController {}

@Controller('replaced')
class ReplacedController {
  constructor() {
    this.list = this.list.bind(this);
  }

  @Get()
  @UseGuards(SigraAuthGuard)
  list() {
    return OPEN;
  }
}

@Controller('replaced-scoped')
class ReplacedScopedController extends ReplacedController {
  @Get()
  @UseGuards(SigraAuthGuard)
  @RequireScopes('admin')
  override list() {
    return OPEN;
  }
}

class GuardedBase {
  @Get()
  @UseGuards(SigraAuthGuard)
  list() {
    return OPEN;
  }
}

@Controller('redeclared')
class RedeclaredController extends GuardedBase {
  @Get()
  override list() {
    return OPEN;
  }
}

/** As TypeScript compiles it with the target ES5. */
const FunctionController = function () {
  return undefined;
} as unknown as Type<object>;
FunctionController.prototype = { constructor: FunctionController, list: () => OPEN };
Reflect.defineMetadata('path', 'function', FunctionController);
for (const [key, value] of [
  ['path', '/'],
  ['method', RequestMethod.GET],
] as const) {
  Reflect.defineMetadata(key, value, (FunctionController.prototype as { list: object }).list);
}
RequireScopes('admin')(
  FunctionController.prototype as object,
  'list',
  Object.getOwnPropertyDescriptor(FunctionController.prototype, 'list')!,
);

const NO_GUARD = /requires scopes, but no guard enforces them: use SigraAuthGuard/;
const NOT_CALLED = /looks guarded, but its guard does not run/;

describe('An application without a global guard does not boot', () => {
  it.each<[string, { controllers?: Type<object>[]; imports?: Type<object>[] }, RegExp?]>([
    ['when the constructor replaces a guarded method', { controllers: [ReplacedController] }, NOT_CALLED],
    ['when the constructor replaces a guarded method with scopes', { controllers: [ReplacedScopedController] }],
    [
      'when a subclass declares a guarded method without scopes anew',
      { controllers: [RedeclaredController] },
      NOT_CALLED,
    ],
    ['when a class is compiled to a function', { controllers: [FunctionController] }],
    ['when a controller names no guard', { controllers: [BareController] }],
    ['when a subclass declares the guarded method anew', { controllers: [OverridingController] }],
    ['when a wrapper hides the guard', { controllers: [HiddenController] }],
    ['when only another method is guarded', { controllers: [OtherMethodController] }],
    ['when a request-scoped controller names no guard', { controllers: [BareRequestScopedController] }],
    ['when the controller is in another module', { imports: [BareModule] }],
    ['when the guard is an object of the application', { controllers: [ForeignGuardController] }],
  ])('%s', async (_what, { controllers, imports }, message = NO_GUARD) => {
    const refusal = startTestApp({ withoutGuard: true, controllers, imports, sigra: { routes: 'error' } });

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'routes' });
    await expect(refusal).rejects.toThrow(message);
  });
});

@Controller('shadowing')
class ShadowingController extends AbstractController {
  @Get('inherited')
  other() {
    return OPEN;
  }
}

class AnonymousBase {
  @Get()
  @AllowAnonymous()
  list() {
    return OPEN;
  }
}

@Controller('scoped-heir')
@RequireScopes('admin')
class ScopedHeirController extends AnonymousBase {}

@Controller('both')
class AnonymousAndGuardedController {
  @Get()
  @AllowAnonymous()
  @UseGuards(SigraAuthGuard)
  list() {
    return OPEN;
  }
}

@Controller('class-both')
@AllowAnonymous()
@UseGuards(SigraAuthGuard)
class AnonymousAndGuardedClass {
  @Get()
  list() {
    return OPEN;
  }
}

describe('An application with a global guard does not boot', () => {
  it.each<[string, Type<object>, RegExp]>([
    [
      'when another method takes the route of a scoped one',
      ShadowingController,
      /ShadowingController\.inherited has the route of ShadowingController\.other, which answers in its place/,
    ],
    ['when a base class opens a method of a scoped class', ScopedHeirController, /ScopedHeirController\.list is open/],
    [
      'when a method is anonymous and guarded',
      AnonymousAndGuardedController,
      /AnonymousAndGuardedController\.list names a guard and allows requests without a credential/,
    ],
    [
      'when a class is anonymous and guarded',
      AnonymousAndGuardedClass,
      /AnonymousAndGuardedClass names a guard and allows requests without a credential/,
    ],
  ])('%s', async (_what, controller, message) => {
    const refusal = startTestApp({ controllers: [controller], sigra: { routes: 'error' } });

    await expect(refusal).rejects.toMatchObject({ name: 'SigraConfigError', option: 'routes' });
    await expect(refusal).rejects.toThrow(message);
  });

  it('when a provider with the name of the guard is not the global guard', async () => {
    const refusal = startTestApp({
      withoutGuard: true,
      controllers: [BareController],
      sigra: { routes: 'error' },
      configure: withoutGlobalGuard,
    });

    await expect(refusal).rejects.toThrow(NO_GUARD);
  });

  it.each([
    ['a method', () => controllerWithBoth()],
    ['a class', () => AllowAnonymous()(OptionalClassController)],
  ])('when %s is anonymous and optional', (_what, define) => {
    expect(define).toThrow(
      new TypeError('@AllowAnonymous() and @OptionalAuth() contradict each other: remove one of them'),
    );
  });
});

function controllerWithBoth() {
  @Controller('open')
  class OpenController {
    @Get()
    @AllowAnonymous()
    @OptionalAuth()
    list() {
      return OPEN;
    }
  }
  return OpenController;
}
