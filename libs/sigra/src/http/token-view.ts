import type { ApiToken } from '../tokens/api-token.js';

/** A token as the API shows it to its owner. */
export type ApiTokenView = Omit<ApiToken, 'userId' | 'revokedAt'>;

export function viewOf(token: ApiToken): ApiTokenView {
  const { id, name, prefix, hint, scopes, expiresAt, lastUsedAt, lastUsedIp, replacedBy, createdAt } = token;
  return { id, name, prefix, hint, scopes, expiresAt, lastUsedAt, lastUsedIp, replacedBy, createdAt };
}
