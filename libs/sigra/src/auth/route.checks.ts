import { Injectable, Logger, type OnApplicationBootstrap, type Type } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { SigraAuthGuard } from './auth.guards.js';
import { ROUTE_ACCESS, ROUTE_SCOPES } from './auth.decorators.js';
import { ofClass, type Target } from './route-metadata.js';
import { sharedCacheOf } from './response-cache.js';
import { declaredBy, enforcesScopes, guardsOf, rulesOf } from './route-rules.js';

/** Where Nest keeps that a method handles HTTP requests, or messages. */
const RPC_HANDLER = 'microservices:pattern';
const WS_HANDLER = 'websockets:message_mapping';
const FIELD_RESOLVERS = ['graphql:resolve_property', 'graphql:resolve_reference'];
const HANDLER_KEYS = ['path', RPC_HANDLER, WS_HANDLER, 'graphql:resolver_type', ...FIELD_RESOLVERS];
const GATEWAY = 'websockets:is_gateway';
/** What Nest calls on a gateway without its guards. */
const GATEWAY_HOOKS = ['afterInit', 'handleConnection', 'handleDisconnect'];
/** The options of a `GraphQLModule`. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';
/** The most handlers that an error names. */
const MAX_NAMED = 20;

/**
 * Looks at all handlers of the application when it boots, and refuses those whose scopes nothing enforces, or whose answers would reach
 * other principals.
 */
@Injectable()
export class RouteChecks implements OnApplicationBootstrap {
  private readonly scanner = new MetadataScanner();

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
    const isGuarded = this.hasGlobalGuard();
    const interceptors = this.globalInterceptors();
    const registries = this.instancesOf(ScopeRegistry);
    for (const controller of this.classes()) {
      for (const name of this.scanner.getAllMethodNames(controller.prototype as object)) {
        const handler = (controller.prototype as Readonly<Record<string, unknown>>)[name];
        if (typeof handler !== 'function') continue;
        const place = `${controller.name}.${name}`;
        const { access, scopes } = declaredBy(controller, handler);
        const isHandler = HANDLER_KEYS.some((key) => Reflect.hasMetadata(key, handler));
        if (!isHandler && scopes.length === 0) continue;
        if (scopes.length > 0 && access !== undefined) {
          yield `${place} requires scopes and allows requests without a credential: remove one of the decorators`;
        }
        const rules = rulesOf(controller, handler);
        const cache = rules.access === 'anonymous' ? undefined : sharedCacheOf(handler, controller, interceptors);
        if (cache !== undefined && (isGuarded || namesGuard(controller, handler))) {
          yield `${place} answers a principal, but ${cache} gives the answer to others: cache with perPrincipal() and @CachesPerPrincipal(), or say with @CacheKey() that all callers share it`;
        }
        const { requirements } = rules;
        if (requirements.length === 0) continue;
        const unguarded = this.unguarded(controller, handler, isGuarded);
        if (unguarded !== undefined) yield `${place} requires scopes, but ${unguarded}`;
        for (const scope of new Set(requirements.flatMap((requirement) => requirement.scopes))) {
          if (!registries.some((registry) => registry.canBeGranted(scope))) {
            yield `${place} requires the scope ${scope}, which is not in apiTokens.scopes`;
          }
        }
      }
      if (ofClass(ROUTE_ACCESS, controller) !== undefined && declaresScopes(controller)) {
        yield `${controller.name} requires scopes and allows requests without a credential: remove one of the decorators`;
      }
    }
  }

  /** Why no guard enforces the scopes of a handler, and the remedy. */
  private unguarded(controller: Target, handler: Target, hasGlobalGuard: boolean): string | undefined {
    if (Reflect.hasMetadata(GATEWAY, controller) && GATEWAY_HOOKS.includes(handler.name)) {
      return 'no guard runs before it: check the credential in the handlers of messages';
    }
    if (FIELD_RESOLVERS.some((key) => Reflect.hasMetadata(key, handler)) && !this.guardsFields()) {
      return "no guard runs before the resolver of a field: add 'guards' to fieldResolverEnhancers of GraphQLModule";
    }
    if (namesGuard(controller, handler)) return undefined;
    if (!hasGlobalGuard) {
      return 'no guard enforces them: use SigraAuthGuard, ScopeGuard after a guard of another library, or @EnforcesScopes() on a guard that calls admit()';
    }
    if (Reflect.hasMetadata(WS_HANDLER, handler)) {
      return 'Nest 11 applies no global guard to gateways: add @UseGuards(SigraAuthGuard) to the class';
    }
    if (Reflect.hasMetadata(RPC_HANDLER, handler) && this.isHybrid()) {
      return 'a global guard reaches the message handlers of a hybrid application only with inheritAppConfig: add @UseGuards(SigraAuthGuard) to the class';
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

  /** The classes of controllers and providers; resolvers and gateways are providers. */
  private *classes(): Iterable<Target> {
    const seen = new Set<Target>();
    for (const { controllers, providers } of this.modules.values()) {
      for (const { metatype } of [...controllers.values(), ...providers.values()]) {
        // The metatype of a factory is a function, too.
        if (typeof metatype !== 'function' || seen.has(metatype) || !isClass(metatype)) continue;
        seen.add(metatype);
        yield metatype;
      }
    }
  }

  private hasGlobalGuard(): boolean {
    const requestScoped = this.application.getGlobalRequestGuards().map(({ metatype }) => metatype as unknown);
    if ([...this.application.getGlobalGuards(), ...requestScoped].some(enforcesScopes)) return true;
    // If a test has replaced the guard, it is not known what the application uses.
    return this.instancesOf(SigraAuthGuard).some((guard) => !(guard instanceof SigraAuthGuard));
  }

  private globalInterceptors(): readonly unknown[] {
    const requestScoped = this.application.getGlobalRequestInterceptors().map(({ metatype }) => metatype as unknown);
    return [...this.application.getGlobalInterceptors(), ...requestScoped];
  }

  /** What the modules provide under a token: its instances, or what a test has put in their place. */
  private instancesOf<T>(token: Type<T>): T[] {
    return this.provided(token) as T[];
  }

  private provided(token: Type<unknown> | string): unknown[] {
    const instances = [...this.modules.values()].map(({ providers }) => providers.get(token)?.instance);
    return instances.filter((instance) => instance !== undefined);
  }
}

function isClass(type: Target): boolean {
  return typeof type.prototype === 'object' && Object.getOwnPropertyDescriptor(type, 'prototype')?.writable === false;
}

/** Whether a handler or its controller names a guard of Sigra. */
function namesGuard(controller: Target, handler: Target): boolean {
  return [...guardsOf(handler), ...guardsOf(controller)].some(enforcesScopes);
}

function declaresScopes(controller: Target): boolean {
  return ofClass(ROUTE_SCOPES, controller) !== undefined;
}
