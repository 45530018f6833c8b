/** Keys of the metadata that decorators leave on handlers and controllers. */
export const ROUTE_ACCESS = 'sigra:access';
export const ROUTE_SCOPES = 'sigra:scopes';

/** `anonymous`: nobody is asked; `optional`: a credential counts, but none is needed. */
export type RouteAccess = 'anonymous' | 'optional';

/** A set of scopes of which all, or any, must be held. */
export interface ScopeRequirement {
  readonly match: 'all' | 'any';
  readonly scopes: readonly string[];
}
