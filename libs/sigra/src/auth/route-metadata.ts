import 'reflect-metadata';

/** A controller, a resolver or a gateway, or one of their methods. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type
export type Target = Function;

/** The metadata that the decorators leave on handlers and controllers; `routeRules` reads it. */
export const ROUTE_ACCESS = 'sigra:access';
/** Of scopes and of kinds: what opens or guards a handler must treat both alike. */
export const ROUTE_REQUIREMENTS = 'sigra:requirements';
export const ROUTE_OWNERS = 'sigra:owners';
export const ROUTE_REPEATS_ROTATION = 'sigra:repeats-rotation';
/** On guards. */
export const ENFORCES_SCOPES = 'sigra:enforces-scopes';

/** `anonymous`: no credential is read; `optional`: a credential counts, but none is needed. */
export type RouteAccess = 'anonymous' | 'optional';

/**
 * Makes a decorator that declares a value for a class or a method. For a method, it is kept by its name as well as on the
 * function: a decorator above this one can replace the function.
 *
 * @param merge combines the value with that of decorators below this one, and of the base classes; `own` is without these
 */
export function declaring<T>(
  metadata: string,
  merge: (below: T | undefined, own: T | undefined) => T,
): ClassDecorator & MethodDecorator {
  return (target: object, name?: string | symbol, descriptor?: PropertyDescriptor) => {
    if (name === undefined || !descriptor) {
      const [below, own] = [Reflect.getMetadata(metadata, target), Reflect.getOwnMetadata(metadata, target)] as T[];
      Reflect.defineMetadata(metadata, merge(below, own), target);
      return;
    }
    const own = Reflect.getOwnMetadata(metadata, target, name) as T | undefined;
    const merged = merge(own, own);
    Reflect.defineMetadata(metadata, merged, target, name);
    Reflect.defineMetadata(metadata, merged, descriptor.value as object);
  };
}

/** The value of a class, without its base classes. */
export function ofClass(metadata: string, target: Target): unknown {
  return Reflect.getOwnMetadata(metadata, target);
}

/** The value of a class or of one of its base classes. */
export function inherited(metadata: string, target: Target): unknown {
  return Reflect.getMetadata(metadata, target);
}

/**
 * The values of a handler: those of the base classes' methods with its name, its own, and that of the function.
 *
 * A function that stands for a method, such as a bound one or the wrapper of a tracing library, has the values of the method
 * with its name. If it has none, it could stand for any method and has the values of all.
 */
export function ofHandler(metadata: string, controller: Target, handler: Target): readonly unknown[] {
  const declared = placesOf(controller, handler);
  const places = declared.length > 0 ? declared : placesOfSubstitute(controller, handler);
  const named = places.map(({ prototype, name }) => Reflect.getOwnMetadata(metadata, prototype, name) as unknown);
  return [...named, Reflect.getMetadata(metadata, handler) as unknown].filter((value) => value !== undefined);
}

/** The value of a handler where it is declared, and not of a method that it replaces. */
export function ofOwnHandler(metadata: string, controller: Target, handler: Target): unknown {
  const own = placesOf(controller, handler).at(-1);
  const named: unknown = own && Reflect.getOwnMetadata(metadata, own.prototype, own.name);
  return named ?? Reflect.getMetadata(metadata, handler);
}

/**
 * The values that limit a handler together: that of the nearest method with its name, in place of that of the class, and those of the
 * subclasses of the class of that method. A function that could stand for any method has the values of the class and of all methods.
 */
export function limitsOfHandler(metadata: string, controller: Target, handler: Target): readonly unknown[] {
  const valueAt = ({ prototype, name }: Place) => Reflect.getOwnMetadata(metadata, prototype, name) as unknown;
  const declared = placesOf(controller, handler);
  const places = declared.length > 0 ? declared : placesNamed(controller, handler);
  const nearest = places.findLast((place) => valueAt(place) !== undefined);
  const value = nearest ? valueAt(nearest) : (Reflect.getMetadata(metadata, handler) as unknown);
  if (value === undefined) {
    const ofMethods =
      places.length > 0
        ? []
        : allPlaces(controller)
            .map(valueAt)
            .filter((each) => each !== undefined);
    return [inherited(metadata, controller), ...ofMethods];
  }
  const chain = prototypesOf(controller);
  const subclasses = nearest ? chain.slice(chain.indexOf(nearest.prototype) + 1) : [];
  const narrower = subclasses.map((prototype) => ofClass(metadata, prototype.constructor));
  return [value, ...narrower.filter((each) => each !== undefined)];
}

interface Place {
  readonly prototype: object;
  readonly name: string | symbol;
}

/** Where the methods with the handler's name are declared, base classes first. The last one is that of the handler. */
function placesOf(controller: Target, handler: Target): readonly Place[] {
  const chain = prototypesOf(controller);
  const own = chain.findLastIndex((prototype) => nameIn(prototype, handler) !== undefined);
  const name = own < 0 ? undefined : nameIn(chain[own] as object, handler);
  if (name === undefined) return [];
  return chain
    .slice(0, own + 1)
    .filter((prototype) => Object.hasOwn(prototype, name))
    .map((prototype) => ({ prototype, name }));
}

function placesOfSubstitute(controller: Target, handler: Target): readonly Place[] {
  const named = placesNamed(controller, handler);
  return named.length > 0 ? named : allPlaces(controller);
}

function placesNamed(controller: Target, { name }: Target): readonly Place[] {
  return allPlaces(controller).filter((place) => place.name === name.replace(/^(?:bound )+/, ''));
}

function allPlaces(controller: Target): readonly Place[] {
  return prototypesOf(controller).flatMap((prototype) =>
    Reflect.ownKeys(prototype).map((key) => ({ prototype, name: key })),
  );
}

function nameIn(prototype: object, handler: Target): string | symbol | undefined {
  return Reflect.ownKeys(prototype).find((name) => Object.getOwnPropertyDescriptor(prototype, name)?.value === handler);
}

/** The prototypes of a class, base classes first. */
export function prototypesOf(controller: Target): readonly object[] {
  const chain: object[] = [];
  let prototype = controller.prototype as object | null;
  while (prototype && prototype !== Object.prototype) {
    chain.unshift(prototype);
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return chain;
}
