import type { User } from '../users/user.entity.js';

interface ScopeChoice {
  readonly scope: string;
  readonly label: string | undefined;
}

export interface ScopeChoices {
  /** Scopes that a route of the demo requires, with a description. */
  readonly used: readonly ScopeChoice[];
  readonly unused: readonly ScopeChoice[];
}

/** In the order of the form. */
const LABELS = new Map([
  ['read:projects', 'List your projects'],
  ['write:projects', 'Create projects'],
  ['api_tokens:read', 'List your API tokens'],
  ['api_tokens:write', 'Create, change, rotate and revoke your API tokens'],
  ['admin', 'See the statistics of the demo'],
]);

/** The scopes that a user can give to a token. */
export function scopeChoices(registered: readonly string[], user: User): ScopeChoices {
  const offered = registered.filter((scope) => scope !== 'admin' || user.isAdmin);
  const used = [...LABELS].filter(([scope]) => offered.includes(scope));
  return {
    used: used.map(([scope, label]) => ({ scope, label })),
    unused: offered.filter((scope) => !LABELS.has(scope)).map((scope) => ({ scope, label: undefined })),
  };
}
