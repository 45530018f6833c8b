import { SigraError } from './sigra-error.js';

/**
 * The resources that the scopes of a credential are limited to, such as `['project:42', 'document:*']`. Null means all
 * resources, and an empty array none.
 */
export type ResourceLimit = readonly string[] | null;

/** The most resources in a request. A list that a credential inherits from several others can have more. */
export const MAX_RESOURCES = 100;
/** The most characters of a list, joined by spaces, so that it fits into an access token. */
export const MAX_RESOURCES_LENGTH = 4096;

/** A type like the segment of a scope, and an id, whose case counts; `*` alone as the id stands for all of the type. */
const RESOURCE = /^[a-z0-9][a-z0-9_.-]{0,63}:(?:\*|[A-Za-z0-9_.~@/+=-]{1,128})$/;

const RULE =
  `resources is an array of 1 to ${MAX_RESOURCES} resources such as "project:42" or "project:*", with at most ` +
  `${MAX_RESOURCES_LENGTH} characters, or null for all resources.`;

/** Whether a value is a resource: a type of at most 64 characters, `:`, and an id of at most 128 characters, or `*`. */
export function isResource(value: unknown): value is string {
  return typeof value === 'string' && RESOURCE.test(value);
}

/** Whether a value is an array of resources, of any length. */
export function isResourceList(value: unknown): value is readonly string[] {
  // A copy, because `every` skips the holes of a sparse array.
  return Array.isArray(value) && Array.from(value as unknown[]).every(isResource);
}

/**
 * Checks a list of resources, and removes repeated entries.
 *
 * @returns null for none given, which means all resources
 * @throws SigraError `invalid_resources`: not an array of 1 to 100 resources with at most 4,096 characters
 */
export function parseResources(given: unknown): ResourceLimit {
  if (given === undefined || given === null) return null;
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_RESOURCES) throw invalid(RULE);
  if (!isResourceList(given) || given.join(' ').length > MAX_RESOURCES_LENGTH) throw invalid(RULE);
  return [...new Set<string>(given)];
}

/** Whether a limit covers each resource of a list. Null as a list stands for all resources. */
export function isWithinResources(list: ResourceLimit, limit: ResourceLimit): boolean {
  return limit === null || list?.every((resource) => isInOne(resource, limit)) === true;
}

/** The resources that two lists have in common. Returns the first list when the second takes nothing away. */
export function commonResources(list: ResourceLimit, limit: ResourceLimit): ResourceLimit {
  if (limit === null || isWithinResources(list, limit)) return list;
  if (list === null) return limit;
  const kept = list.filter((resource) => isInOne(resource, limit));
  const narrowed = limit.filter((resource) => isInOne(resource, list));
  return [...new Set([...kept, ...narrowed])];
}

/**
 * The resources of a credential that is made with another one.
 *
 * @param requested null for all that the maker can give
 * @throws SigraError `invalid_resources` for resources that the maker does not hold
 */
export function grantResources(requested: ResourceLimit, maker: ResourceLimit): ResourceLimit {
  if (requested === null) return maker;
  if (isWithinResources(requested, maker)) return requested;
  throw invalid('The credential that makes the token does not hold all of resources.');
}

/** The type of a resource with `*` as its id. */
function wildcardOf(resource: string): string {
  return `${resource.slice(0, resource.indexOf(':'))}:*`;
}

function isInOne(resource: string, limit: readonly string[]): boolean {
  return limit.includes(resource) || limit.includes(wildcardOf(resource));
}

function invalid(message: string): SigraError {
  return new SigraError('invalid_resources', message);
}
