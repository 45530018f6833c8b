import type { ScopeDetails } from 'nestjs-sigra';
import { SCOPES } from '../scopes.js';
import type { User } from '../users/user.entity.js';

export interface ScopeChoices {
  /** Scopes that a route of the demo requires, with a title. */
  readonly used: readonly ScopeDetails[];
  readonly unused: readonly ScopeDetails[];
}

/** They do nothing for a user who is not an administrator. */
const ADMIN_SCOPES: ReadonlySet<string> = new Set(['admin', 'api_tokens:admin']);

/** The scopes that a user can give to a token. */
export function scopeChoices(catalogue: readonly ScopeDetails[], user: User): ScopeChoices {
  const offered = catalogue.filter(({ name }) => user.isAdmin || !ADMIN_SCOPES.has(name));
  return {
    used: SCOPES.flatMap(({ name }) => offered.filter((scope) => scope.name === name)),
    unused: offered.filter(({ group }) => group === null),
  };
}
