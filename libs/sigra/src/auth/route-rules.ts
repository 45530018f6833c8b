import type { ExecutionContext } from '@nestjs/common';
import type { ScopeRequirement } from '../scopes/assert-scopes.js';
import { ROUTE_ACCESS, ROUTE_REPEATS_ROTATION, ROUTE_SCOPES, type RouteAccess } from './auth.decorators.js';

/** The conditions of a route for its callers. */
export interface RouteRules {
  readonly access: RouteAccess | 'required';
  readonly requirements: readonly ScopeRequirement[];
}

/** Whether a route repeats the answer to a rotation for the token that was rotated. */
export function repeatsRotation(context: ExecutionContext): boolean {
  return Reflect.getMetadata(ROUTE_REPEATS_ROTATION, context.getHandler()) === true;
}

type Target = ReturnType<ExecutionContext['getHandler']> | ReturnType<ExecutionContext['getClass']>;

/** By controller, then by handler: an inherited handler serves several controllers. Computed once, not per request. */
const rulesOfClasses = new WeakMap<Target, WeakMap<Target, RouteRules>>();

export function routeRules(context: ExecutionContext): RouteRules {
  const controller = context.getClass();
  const handler = context.getHandler();
  let rulesOfHandlers = rulesOfClasses.get(controller);
  if (!rulesOfHandlers) rulesOfClasses.set(controller, (rulesOfHandlers = new WeakMap()));
  let rules = rulesOfHandlers.get(handler);
  if (!rules) rulesOfHandlers.set(handler, (rules = readRules(controller, handler)));
  return rules;
}

function readRules(controller: Target, handler: Target): RouteRules {
  const own = { access: accessOf(handler), scopes: scopesOf(handler) };
  const inherited = { access: accessOf(controller), scopes: scopesOf(controller) };
  // The declaration on the handler wins. At the same place scopes win, so that a route with scopes is never open by accident.
  if (own.access === 'anonymous' && own.scopes.length === 0) return { access: 'anonymous', requirements: [] };
  const requirements = [...inherited.scopes, ...own.scopes];
  if (requirements.length > 0) return { access: 'required', requirements };
  return { access: own.access ?? inherited.access ?? 'required', requirements };
}

function accessOf(target: Target): RouteAccess | undefined {
  return Reflect.getMetadata(ROUTE_ACCESS, target) as RouteAccess | undefined;
}

function scopesOf(target: Target): readonly ScopeRequirement[] {
  return (Reflect.getMetadata(ROUTE_SCOPES, target) as readonly ScopeRequirement[] | undefined) ?? [];
}
