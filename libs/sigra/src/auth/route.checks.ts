import { Injectable, Logger, type OnApplicationBootstrap, type Type } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, SIGRA_CONFIG, type SigraConfig } from '../config/sigra-config.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { SigraAuthGuard } from './auth.guards.js';
import { handlersOf, type RouteHandler } from './route-handlers.js';
import { ofClass, ROUTE_ACCESS, ROUTE_REQUIREMENTS } from './route-metadata.js';
import { sharedCacheOf } from './response-cache.js';
import {
  authenticates,
  declaredBy,
  enforcesScopes,
  guardsOf,
  ownGuardsOf,
  rulesOf,
  type RouteRules,
} from './route-rules.js';

/** The options of a `GraphQLModule`. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';
const CONTRADICTION =
  'requires scopes or a kind and allows requests without a credential: remove one of the decorators';
/** The most handlers that an error names. */
const MAX_NAMED = 20;

/** What stands before all handlers, and the scopes and kinds that exist. */
interface Surroundings {
  readonly guards: readonly unknown[];
  /** Whether a global guard enforces scopes. */
  readonly isGuarded: boolean;
  readonly interceptors: readonly unknown[];
  readonly registries: readonly ScopeRegistry[];
  readonly kinds: readonly string[];
  readonly owners: readonly string[];
}

/**
 * Looks at all handlers of the application when it boots, and refuses those whose requirements nothing enforces, or whose
 * answers would reach other principals.
 */
@Injectable()
export class RouteChecks implements OnApplicationBootstrap {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly modules: ModulesContainer,
    private readonly application: ApplicationConfig,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  onApplicationBootstrap(): void {
    const { routes } = this.config;
    if (routes === 'off') return;
    const problems = [...new Set(this.problems())];
    if (problems.length === 0) return;
    const more = problems.length > MAX_NAMED ? `\n  and ${problems.length - MAX_NAMED} more` : '';
    const list = problems
      .slice(0, MAX_NAMED)
      .map((problem) => `\n  ${problem}`)
      .join('');
    const message = `does not allow these handlers:${list}${more}\nChange them, or set routes to 'warn' or 'off'`;
    if (routes === 'error') throw new SigraConfigError('routes', message);
    new Logger(RouteChecks.name).warn(`routes ${message}`);
  }

  private *problems(): Iterable<string> {
    const surroundings = this.surroundings();
    for (const handlers of handlersOf(this.modules)) {
      for (const handler of handlers) yield* this.problemsOf(handler, surroundings);
      const { controller } = handlers[0] ?? {};
      if (!controller) continue;
      yield* routesTwice(handlers);
      if (ofClass(ROUTE_ACCESS, controller) === undefined) continue;
      if (ofClass(ROUTE_REQUIREMENTS, controller) !== undefined) yield `${controller.name} ${CONTRADICTION}`;
      if (isAnonymous(ofClass(ROUTE_ACCESS, controller)) && ownGuardsOf(controller).some(enforcesScopes)) {
        yield `${controller.name} names a guard and allows requests without a credential: remove one of the decorators`;
      }
    }
  }

  private *problemsOf(handler: RouteHandler, surroundings: Surroundings): Iterable<string> {
    const { controller, method, place } = handler;
    const { access, requirements } = declaredBy(controller, method);
    if (handler.kind === undefined && requirements.length === 0) return;
    if (requirements.length > 0 && access !== undefined) yield `${place} ${CONTRADICTION}`;
    if (isAnonymous(access) && guardsOf(method).some(enforcesScopes)) {
      yield `${place} names a guard and allows requests without a credential: remove one of the decorators`;
    }
    if (isAnonymous(access) && handler.isInherited && ofClass(ROUTE_REQUIREMENTS, controller) !== undefined) {
      yield `${place} is open, because a base class says so, although ${controller.name} requires scopes or a kind: declare the method anew, with the rules that it should have`;
    }
    const rules = rulesOf(controller, method);
    if (rules.access === 'anonymous') return;
    const cache = sharedCacheOf(method, controller, surroundings.interceptors);
    const guards = [...surroundings.guards, ...guardsBefore(handler)];
    if (cache !== undefined && (surroundings.isGuarded || guards.some(authenticates))) {
      yield `${place} answers a principal, but ${cache} gives the answer to others: cache with perPrincipal() and @CachesPerPrincipal(), or say with @CacheKey() that all callers share it`;
    }
    const demand = demandOf(rules, handler);
    const isExpected = demand !== undefined || expectsGuard(handler, surroundings);
    const unguarded = isExpected ? this.unguarded(handler, demand !== undefined, surroundings) : undefined;
    if (unguarded !== undefined) yield `${place} ${demand ?? 'looks guarded'}, but ${unguarded}`;
    for (const kind of new Set(rules.kinds.flatMap(({ kinds }) => kinds))) {
      if (!surroundings.kinds.includes(kind))
        yield `${place} requires the kind ${kind}, which is not in apiTokens.kinds`;
    }
    for (const type of new Set(rules.owners)) {
      if (!surroundings.owners.includes(type))
        yield `${place} allows owners of the type ${type}, which is not in owners`;
    }
    for (const scope of new Set(rules.scopes.flatMap(({ scopes }) => scopes))) {
      if (!surroundings.registries.some((registry) => registry.canBeGranted(scope))) {
        yield `${place} requires the scope ${scope}, which is not in apiTokens.scopes`;
      }
    }
  }

  /** Why no guard of Sigra runs before a handler, and the remedy. */
  private unguarded(handler: RouteHandler, isDemanding: boolean, { isGuarded }: Surroundings): string | undefined {
    const { kind } = handler;
    if (kind === 'hook') return 'no guard runs before it: check the credential in the handlers of messages';
    if (kind === 'field' && !this.guardsFields()) {
      return "no guard runs before the resolver of a field: add 'guards' to fieldResolverEnhancers of GraphQLModule";
    }
    if (namesGuard(handler)) return undefined;
    if (!isGuarded && !isDemanding) {
      return 'its guard does not run, because a subclass or a constructor replaces the method: name the guard on the class';
    }
    if (!isGuarded) {
      return "no guard enforces them: use SigraAuthGuard, ScopeGuard after AuthGuard('bearer') or, with credentials.resolve, after a guard of another library, or @EnforcesScopes() on a guard that calls admit()";
    }
    if (kind === 'ws') {
      return 'Nest 11 applies no global guard to gateways: add @UseGuards(SigraAuthGuard) to the class, or @AllowAnonymous() if it needs no credential';
    }
    if (kind === 'rpc' && this.isHybrid()) {
      return 'a global guard reaches the message handlers of a hybrid application only with inheritAppConfig: add @UseGuards(SigraAuthGuard) to the class, or @AllowAnonymous() if it needs no credential';
    }
    return undefined;
  }

  /** Whether message handlers stand beside an HTTP server. Whether they inherit the global guards is not known. */
  private isHybrid(): boolean {
    return Boolean(this.adapterHost.httpAdapter);
  }

  private guardsFields(): boolean {
    const options = this.provided(GRAPHQL_OPTIONS) as { readonly fieldResolverEnhancers?: readonly string[] }[];
    return options.every(({ fieldResolverEnhancers }) => fieldResolverEnhancers?.includes('guards'));
  }

  private surroundings(): Surroundings {
    const { application } = this;
    const typesOf = (wrappers: readonly { readonly metatype: unknown }[]) => wrappers.map(({ metatype }) => metatype);
    const guards = [...application.getGlobalGuards(), ...typesOf(application.getGlobalRequestGuards())];
    // If a test has replaced the global guard, it is not known what the application uses.
    const isReplaced = (guard: unknown) => !(guard instanceof SigraAuthGuard) && guards.includes(guard);
    const configs = this.provided(SIGRA_CONFIG) as SigraConfig[];
    return {
      guards,
      isGuarded: guards.some(enforcesScopes) || this.instancesOf(SigraAuthGuard).some(isReplaced),
      interceptors: [...application.getGlobalInterceptors(), ...typesOf(application.getGlobalRequestInterceptors())],
      registries: this.instancesOf(ScopeRegistry),
      kinds: configs.flatMap(({ apiTokens }) => apiTokens.kinds.names),
      owners: configs.flatMap(({ ownerTypes }) => ownerTypes.map(({ type }) => type)),
    };
  }

  /** What the modules provide under a token: its instances, or what a test has put in their place. */
  private instancesOf<T>(token: Type<T>): T[] {
    return this.provided(token) as T[];
  }

  private provided(token: Type<unknown> | string | symbol): unknown[] {
    const instances = [...this.modules.values()].map(({ providers }) => providers.get(token)?.instance);
    return instances.filter((instance) => instance !== undefined);
  }
}

/** What a route requires, for a message; undefined for nothing. */
function demandOf({ scopes, kinds, owners }: RouteRules, handler: RouteHandler): string | undefined {
  if (scopes.length > 0) return 'requires scopes';
  if (kinds.length > 0) return 'requires a kind of tokens';
  // The types of a class are also those of its hooks and fields, which only name them.
  return owners && !isHookOrField(handler) ? 'allows types of owners' : undefined;
}

/** Whether a reader of the code takes a handler without scopes for guarded. */
function expectsGuard(handler: RouteHandler, { isGuarded }: Surroundings): boolean {
  const { controller, method, overridden } = handler;
  if ([method, ...overridden].some((each) => guardsOf(each).some(enforcesScopes))) return true;
  if (isHookOrField(handler)) return false;
  return isGuarded || guardsOf(controller).some(enforcesScopes);
}

function isHookOrField({ kind }: RouteHandler): boolean {
  return kind === 'hook' || kind === 'field' || kind === undefined;
}

/** The guards that a handler and its controller name, and that Nest calls. */
function guardsBefore({ called, controller }: RouteHandler): readonly unknown[] {
  return [...guardsOf(called), ...guardsOf(controller)];
}

function namesGuard(handler: RouteHandler): boolean {
  return guardsBefore(handler).some(enforcesScopes);
}

function isAnonymous(access: unknown): boolean {
  return access === 'anonymous';
}

/** Finds handlers of one class with the same route and different rules: the first one answers. */
function* routesTwice(handlers: readonly RouteHandler[]): Iterable<string> {
  const seen = new Map<string, RouteHandler>();
  for (const handler of handlers) {
    const { route, place } = handler;
    if (route === undefined) continue;
    const first = seen.get(route);
    if (!first) seen.set(route, handler);
    else if (rulesAsText(first) !== rulesAsText(handler)) {
      yield `${place} has the route of ${first.place}, which answers in its place with other rules: give both the same name or other paths`;
    }
  }
}

function rulesAsText(handler: RouteHandler): string {
  const asText = (_name: string, value: unknown) => (typeof value === 'function' ? String(value) : value);
  return JSON.stringify([rulesOf(handler.controller, handler.method), namesGuard(handler)], asText);
}
