import { earliest, later } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';
import type { ApiToken } from '../persistence/tables.js';

/**
 * When a token ends. With `enforceOnExisting`, the rules also hold for tokens that are older than the rules.
 *
 * @returns null when the token does not expire
 */
export function endOfToken(
  { expiresAt, createdAt }: Pick<ApiToken, 'expiresAt' | 'createdAt'>,
  { enforceOnExisting, requireExpiry, maxTtl }: SigraConfig['apiTokens'],
): Date | null {
  if (!enforceOnExisting) return expiresAt;
  if (maxTtl === undefined) return expiresAt ?? (requireExpiry ? createdAt : null);
  return earliest(later(createdAt, maxTtl), expiresAt);
}
