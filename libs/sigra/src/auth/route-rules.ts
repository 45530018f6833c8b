import type { ExecutionContext } from '@nestjs/common';
import type { ScopeRequirement } from '../scopes/assert-scopes.js';
import type { KindRequirement } from './kind-requirement.js';
import type { AllowedOwners } from './owner-requirement.js';
import { type ResourceRule, resourceRulesIn } from './resource-rule.js';
import {
  ENFORCES_SCOPES,
  inherited,
  limitsOfHandler,
  ofClass,
  ofHandler,
  ofOwnHandler,
  ROUTE_ACCESS,
  ROUTE_OWNERS,
  ROUTE_REPEATS_ROTATION,
  ROUTE_REQUIREMENTS,
  type RouteAccess,
  type Target,
} from './route-metadata.js';

/** What a decorator requires. */
export type RouteRequirement = ScopeRequirement | KindRequirement;

/** The conditions of a route for its callers. */
export interface RouteRules {
  readonly access: RouteAccess | 'required';
  readonly scopes: readonly ScopeRequirement[];
  readonly kinds: readonly KindRequirement[];
  /** The types of owners that it accepts. Undefined accepts users only. */
  readonly owners: AllowedOwners | undefined;
  /** For credentials that are limited to resources. */
  readonly resources: readonly ResourceRule[];
  /** Whether the route repeats the answer to a rotation for the token that was rotated. */
  readonly repeatsRotation: boolean;
}

/** Where Nest keeps the guards of a handler or a controller. */
const GUARDS = '__guards__';

/** By controller, then by handler: an inherited handler serves several controllers. Computed once, not per request. */
const rulesOfClasses = new WeakMap<Target, WeakMap<Target, RouteRules>>();

export function routeRules(context: ExecutionContext): RouteRules {
  return rulesOf(context.getClass(), context.getHandler());
}

/** The rules of a handler of a controller. */
export function rulesOf(controller: Target, handler: Target): RouteRules {
  let rulesOfHandlers = rulesOfClasses.get(controller);
  if (!rulesOfHandlers) rulesOfClasses.set(controller, (rulesOfHandlers = new WeakMap()));
  let rules = rulesOfHandlers.get(handler);
  if (!rules) rulesOfHandlers.set(handler, (rules = readRules(controller, handler)));
  return rules;
}

function readRules(controller: Target, handler: Target): RouteRules {
  const repeatsRotation = ofOwnHandler(ROUTE_REPEATS_ROTATION, controller, handler) === true;
  const { access: own, requirements } = declaredBy(controller, handler);
  // The declaration on the handler wins. At the same place requirements win, so that a route with one is never open by accident.
  if (own === 'anonymous' && requirements.length === 0) {
    return { access: 'anonymous', scopes: [], kinds: [], owners: undefined, resources: [], repeatsRotation };
  }
  const all = [...requirementsIn([inherited(ROUTE_REQUIREMENTS, controller)]), ...requirements];
  const scopes = all.filter((requirement) => 'scopes' in requirement);
  return {
    access: all.length > 0 ? 'required' : (own ?? accessOfClass(controller, handler) ?? 'required'),
    scopes,
    kinds: all.filter((requirement) => 'kinds' in requirement),
    owners: ownersOf(controller, handler),
    resources: resourceRulesIn(scopes),
    repeatsRotation,
  };
}

/** Those of the handler replace those of its class. A subclass has the types of its base class, and can take some away. */
function ownersOf(controller: Target, handler: Target): AllowedOwners | undefined {
  const [first, ...others] = limitsOfHandler(ROUTE_OWNERS, controller, handler) as (AllowedOwners | undefined)[];
  if (others.length === 0) return first;
  // Without a first one, users alone can call some of the methods, and other owners some others.
  return first?.filter((type) => others.every((allowed) => allowed?.includes(type))) ?? [];
}

/** What the decorators of a handler say, and of the methods with its name in base classes. */
export function declaredBy(
  controller: Target,
  handler: Target,
): { readonly access: RouteAccess | undefined; readonly requirements: readonly RouteRequirement[] } {
  return {
    // A method that a subclass declares anew is not open because the one of the base class was.
    access: ofOwnHandler(ROUTE_ACCESS, controller, handler) as RouteAccess | undefined,
    requirements: requirementsIn(ofHandler(ROUTE_REQUIREMENTS, controller, handler)),
  };
}

/** Of the class itself, because a subclass can have other handlers. A guard that the handler names wins. */
function accessOfClass(controller: Target, handler: Target): RouteAccess | undefined {
  if (guardsOf(handler).some(enforcesScopes)) return undefined;
  return ofClass(ROUTE_ACCESS, controller) as RouteAccess | undefined;
}

/** The guards of a handler or a controller: classes or objects. */
export function guardsOf(target: Target): readonly unknown[] {
  return (Reflect.getMetadata(GUARDS, target) as readonly unknown[] | undefined) ?? [];
}

/** Those of a class itself, without its base classes. */
export function ownGuardsOf(target: Target): readonly unknown[] {
  return (Reflect.getOwnMetadata(GUARDS, target) as readonly unknown[] | undefined) ?? [];
}

/** Whether a guard, a class or an object, enforces `@RequireScopes()` and `@RequireKind()`. */
export function enforcesScopes(guard: unknown): boolean {
  const type: unknown = typeof guard === 'function' ? guard : (guard as object | null)?.constructor;
  return typeof type === 'function' && inherited(ENFORCES_SCOPES, type) === true;
}

/** Whether a guard, a class or an object, finds a user: one of Sigra, or of Passport, which makes a class for each strategy. */
export function authenticates(guard: unknown): boolean {
  if (enforcesScopes(guard)) return true;
  const type = typeof guard === 'function' ? guard : (guard as object | null)?.constructor;
  const { logIn, handleRequest, getAuthenticateOptions } = (type?.prototype ?? {}) as Readonly<Record<string, unknown>>;
  return [logIn, handleRequest, getAuthenticateOptions].every((method) => typeof method === 'function');
}

/** Several places can have the same requirement: a method is kept by its name and on the function. */
function requirementsIn(values: readonly unknown[]): readonly RouteRequirement[] {
  return [...new Set((values as readonly (readonly RouteRequirement[] | undefined)[]).flatMap((each) => each ?? []))];
}
