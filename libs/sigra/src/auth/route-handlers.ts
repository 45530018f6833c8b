import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { prototypesOf, type Target } from './route-metadata.js';

/** A controller or a provider in Nest's container. */
interface Wrapper {
  readonly metatype: unknown;
  readonly isFactory: boolean;
  readonly instance: unknown;
}

/** Where Nest keeps that a method handles something. */
const HTTP_PATH = 'path';
const RPC_PATTERN = 'microservices:pattern';
const WS_MESSAGE = 'websockets:message_mapping';
const RESOLVER = 'graphql:resolver_type';
const FIELD_RESOLVERS = ['graphql:resolve_property', 'graphql:resolve_reference'];
const GATEWAY = 'websockets:is_gateway';
/** What Nest calls on a gateway without its guards. */
const GATEWAY_HOOKS = ['afterInit', 'handleConnection', 'handleDisconnect'];
/** What tells routes with the same path apart. */
const ROUTE_KEYS = ['method', '__version__', 'host'];

/** What calls a handler; `undefined` if nothing does. */
export type HandlerKind = 'http' | 'rpc' | 'ws' | 'hook' | 'resolver' | 'field';

/** A method of a controller, a resolver, a gateway or another provider. */
export class RouteHandler {
  /** What Nest calls and reads guards from: a constructor can replace the method, without its metadata. */
  readonly called: Target;
  readonly kind: HandlerKind | undefined;

  constructor(
    readonly controller: Target,
    readonly name: string,
    /** The function as it is declared. */
    readonly method: Target,
    instance: object | undefined,
  ) {
    this.kind = this.kindOf();
    const own = this.kind === 'http' || this.kind === 'rpc' ? valueOf(instance, name) : undefined;
    this.called = typeof own === 'function' ? own : method;
  }

  /** For errors. */
  get place(): string {
    return `${this.controller.name}.${this.name}`;
  }

  /** The methods with its name, of the base classes. */
  get overridden(): readonly Target[] {
    return prototypesOf(this.controller)
      .map((prototype) => Object.getOwnPropertyDescriptor(prototype, this.name)?.value as unknown)
      .filter((method): method is Target => typeof method === 'function' && method !== this.method);
  }

  get isInherited(): boolean {
    return !Object.hasOwn(this.controller.prototype as object, this.name);
  }

  /** What the HTTP requests that reach it have in common; `undefined` for other handlers. */
  get route(): string | undefined {
    if (this.kind !== 'http') return undefined;
    const read = (key: string): unknown => Reflect.getMetadata(key, this.method);
    const paths = [read(HTTP_PATH)].flat().map((path) => String(path).replaceAll(/^\/+|\/+$/g, ''));
    return JSON.stringify([paths, ...ROUTE_KEYS.map((key) => String(read(key)))]);
  }

  private kindOf(): HandlerKind | undefined {
    const has = (key: string) => Reflect.hasMetadata(key, this.method);
    if (Reflect.hasMetadata(GATEWAY, this.controller) && GATEWAY_HOOKS.includes(this.name)) return 'hook';
    if (FIELD_RESOLVERS.some(has)) return 'field';
    if (has(HTTP_PATH)) return 'http';
    if (has(RPC_PATTERN)) return 'rpc';
    if (has(WS_MESSAGE)) return 'ws';
    return has(RESOLVER) ? 'resolver' : undefined;
  }
}

/** The handlers of each class, and what else its methods are; resolvers and gateways are providers. */
export function* handlersOf(modules: ModulesContainer): Iterable<readonly RouteHandler[]> {
  const scanner = new MetadataScanner();
  const seen = new Set<Target>();
  for (const { controllers, providers } of modules.values()) {
    for (const wrapper of [...controllers.values(), ...providers.values()] as readonly Wrapper[]) {
      const controller = classOf(wrapper);
      if (!controller || seen.has(controller)) continue;
      seen.add(controller);
      const prototype = controller.prototype as Readonly<Record<string, unknown>>;
      yield scanner.getAllMethodNames(prototype).flatMap((name) => {
        const method = prototype[name];
        return typeof method === 'function' ? [new RouteHandler(controller, name, method, instanceOf(wrapper))] : [];
      });
    }
  }
}

/** The class of a provider, also of one that a factory makes or that is a value. */
function classOf(wrapper: Wrapper): Target | undefined {
  const { metatype, isFactory } = wrapper;
  const type: unknown = metatype && !isFactory ? metatype : instanceOf(wrapper)?.constructor;
  const isClass = typeof type === 'function' && type !== Object && typeof type.prototype === 'object';
  return isClass ? type : undefined;
}

function instanceOf({ instance }: Wrapper): object | undefined {
  return typeof instance === 'object' && instance !== null ? instance : undefined;
}

function valueOf(instance: object | undefined, name: string): unknown {
  return (instance as Readonly<Record<string, unknown>> | undefined)?.[name];
}
