import type { LookedUpApiToken } from '../persistence/tables.js';
import type { TableColumns } from './text-table.js';

/** A token as JSON, with its state. */
export function tokenJson({ token, state }: LookedUpApiToken): Readonly<Record<string, unknown>> {
  const { tokenEpoch, ...visible } = token;
  return { ...visible, state };
}

/** The columns of a list of tokens. */
export const TOKEN_COLUMNS: TableColumns<LookedUpApiToken> = {
  ID: ({ token }) => token.id,
  OWNER: ({ token }) => token.ownerId,
  NAME: ({ token }) => token.name,
  TOKEN: ({ token }) => `${token.prefix}${token.hint}…`,
  SCOPES: ({ token }) => token.scopes,
  STATE: ({ state }) => state,
  EXPIRES: ({ token }) => token.expiresAt,
  'LAST USED': ({ token }) => token.lastUsedAt,
};
