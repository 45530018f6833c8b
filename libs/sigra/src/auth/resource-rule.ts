import { type ExecutionContext, Logger } from '@nestjs/common';
import { stackOf } from '../common/call-contained.js';
import { SigraError } from '../common/sigra-error.js';
import type { ScopeRequirement } from '../scopes/assert-scopes.js';
import { assertHoldsResource, type RequestedResource, wrongResource } from '../scopes/resource-requirement.js';

/** A function that names the resources of a call. It is called only for credentials that are limited to resources. */
export type ResourceFinder = (context: ExecutionContext) => RequestedResource | Promise<RequestedResource>;

/** How a route treats credentials that are limited to resources; `filtered` if its handler reads `principal.resources`. */
export type ResourceRule = ResourceFinder | 'filtered';

const logger = new Logger('RequireScopes');

/** @throws TypeError for a resource that is neither a function nor `filtered` */
export function assertResourceRule(requirement: ScopeRequirement): void {
  if (!('resource' in requirement) || isResourceRule(requirement.resource)) return;
  throw new TypeError(
    'sigra: resource of @RequireScopes() is a function that returns resources such as "project:42", or "filtered"',
  );
}

/** The rules of several requirements. */
export function resourceRulesIn(requirements: readonly ScopeRequirement[]): readonly ResourceRule[] {
  return requirements.map(({ resource }) => resource).filter(isResourceRule);
}

/**
 * Checks that a credential holds all resources that the rules of a route name.
 *
 * @param limit the resources that the credential is limited to
 * @throws SigraError `resource_not_allowed`, also when a function throws
 */
export async function assertResources(
  limit: readonly string[],
  rules: readonly ResourceRule[],
  context: ExecutionContext,
): Promise<void> {
  if (rules.length === 0) throw wrongResource(undefined);
  for (const rule of rules) {
    // What a function returns can come from the client, so that the word `filtered` means nothing there.
    if (rule !== 'filtered') assertHoldsResource(limit, (await find(rule, context)) ?? '');
  }
}

async function find(rule: ResourceFinder, context: ExecutionContext): Promise<unknown> {
  try {
    return await rule(context);
  } catch (cause) {
    if (!(cause instanceof SigraError)) logger.error(`resource of @RequireScopes() failed: ${stackOf(cause)}`);
    throw wrongResource('', cause);
  }
}

function isResourceRule(value: unknown): value is ResourceRule {
  return typeof value === 'function' || value === 'filtered';
}
