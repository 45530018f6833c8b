import { earliest, hasExpired, later } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { idleEndOf } from '../persistence/token-expiry.js';
import type { ApiToken } from '../persistence/tables.js';

type Rules = SigraConfig['apiTokens'];

/**
 * When a token ends, however often it is used. With `enforceOnExisting`, the rules also hold for tokens that are older than
 * the rules.
 *
 * @returns null when the token does not expire
 */
export function endOfToken(
  token: Pick<ApiToken, 'expiresAt' | 'createdAt' | 'prefix'>,
  { enforceOnExisting, kinds }: Rules,
): Date | null {
  const { expiresAt, createdAt } = token;
  if (!enforceOnExisting) return expiresAt;
  const { requireExpiry, maxTtl } = kinds.rulesOf(token);
  if (maxTtl === undefined) return expiresAt ?? (requireExpiry ? createdAt : null);
  return earliest(later(createdAt, maxTtl), expiresAt);
}

/** Whether a token has expired: it has ended, or it has not been used for `idleTtl`. */
export function isExpired(
  token: Pick<ApiToken, 'expiresAt' | 'lastUsedAt' | 'createdAt' | 'prefix'>,
  rules: Rules,
  now: Date,
): boolean {
  return hasExpired(endOfToken(token, rules), now) || hasExpired(idleEndOf(token, rules), now);
}
