import { isResource, isWithinResources, MAX_RESOURCES } from '../common/resource-limit.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import type { ScopeHolder } from './can.js';

/** The resource that a request is about, such as `project:42`, or several ones, which must all be held. */
export type RequestedResource = string | readonly string[];

/**
 * Whether a credential holds the resources of a request. One that is limited to resources holds nothing for a request that
 * names none, or an invalid one.
 *
 * @param limit `resources` of the credential; undefined and null mean all resources
 */
export function holdsResource(limit: ScopeHolder['resources'], requested: unknown): boolean {
  if (limit === undefined || limit === null) return true;
  const resources: readonly unknown[] = Array.isArray(requested) ? requested : [requested];
  if (resources.length === 0 || resources.length > MAX_RESOURCES) return false;
  // A copy, because `every` skips the holes of a sparse array.
  return Array.from(resources).every((resource) => isResource(resource) && isWithinResources([resource], limit));
}

/** @throws SigraError `resource_not_allowed` */
export function assertHoldsResource(limit: ScopeHolder['resources'], requested: unknown): void {
  if (!holdsResource(limit, requested)) throw wrongResource(requested);
}

/**
 * The refusal of a credential that is limited to resources. The two cases have different descriptions, because other
 * resources are a matter of the client, and none a matter of the route.
 *
 * @param requested undefined for a request that names no resource
 * @param cause for logs
 */
export function wrongResource(requested: unknown, cause?: unknown): SigraError {
  const description =
    requested === undefined
      ? 'The credential is limited to resources, and this request names none.'
      : 'The credential is limited to other resources.';
  return refuse('resource_not_allowed', description, { cause });
}
