import { type InjectionToken, type Provider, Scope } from '@nestjs/common';
import { isObject } from './is-object.js';

// A process can load this package more than once: a bundle has its ES modules and its CommonJS form, or two versions are
// installed. Marks on objects of the application are global symbols with the prefix `nestjs-sigra:`, so that each copy finds
// those of the others.

/** State that belongs to the process, and not to one copy of the package. */
export function stateOfProcess<T extends object>(name: string, create: () => T): T {
  const holder = globalThis as Record<symbol, T | undefined>;
  return (holder[Symbol.for(`nestjs-sigra:${name}`)] ??= create());
}

/**
 * Makes `instanceof` true for the instances of this class in every copy of the package. A subclass of the application has
 * only its own.
 *
 * @param name the same in all copies
 */
export function AcrossCopies(name: string): ClassDecorator {
  const mark = Symbol.for(`nestjs-sigra:${name}`);
  return (type) => {
    Object.defineProperty(type.prototype, mark, { value: true });
    Object.defineProperty(type, Symbol.hasInstance, {
      value(this: unknown, instance: unknown): boolean {
        if (this === type) return isObject(instance) && mark in instance;
        return Function.prototype[Symbol.hasInstance].call(this, instance);
      },
    });
  };
}

/** What each copy exports for injection. */
const copies = stateOfProcess('copies', () => new Set<readonly InjectionToken[]>());

/**
 * Providers that fail the boot of an application with guards or services of another copy than its `SigraModule`. Nest would
 * not find what they depend on either, but its error does not name the reason.
 *
 * @param own what this copy exports for injection
 */
export function refusalsOfCopies(own: readonly InjectionToken[]): Provider[] {
  const others = [...copies].filter((tokens) => tokens !== own);
  // Nest makes a transient provider only for a class that injects it.
  return others.flat().map((provide) => ({ provide, scope: Scope.TRANSIENT, useFactory: () => refuse(provide) }));
}

/** Makes the tokens of a copy known to those that the process has loaded, or loads later. */
export function announceCopy(tokens: readonly InjectionToken[]): void {
  copies.add(tokens);
}

function refuse(token: InjectionToken): never {
  const name = typeof token === 'function' ? token.name : String(token);
  throw new Error(
    `sigra: ${name} comes from another copy of nestjs-sigra than SigraModule. Install one version (npm ls nestjs-sigra), and let a bundler resolve import and require() with the condition "module"`,
  );
}
