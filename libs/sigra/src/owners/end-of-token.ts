import { earliest, hasExpired, later } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { idleEndOf } from '../persistence/token-expiry.js';
import type { ApiToken, ApiTokenState } from '../persistence/tables.js';

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

/**
 * The state of a token: the one rule of verification, look-up and the command line. `ApiTokenSearchRepository` has it in SQL. An
 * expired token counts as expired also after its epoch has ended.
 *
 * @param found the token, and the token epoch of its owner
 */
export function stateOfToken(
  found: {
    readonly token: Pick<ApiToken, 'revokedAt' | 'tokenEpoch' | 'expiresAt' | 'lastUsedAt' | 'createdAt' | 'prefix'>;
    readonly tokenEpoch: number;
  },
  rules: Rules,
  now: Date,
): ApiTokenState {
  const { token, tokenEpoch } = found;
  if (token.revokedAt) return 'revoked';
  if (isExpired(token, rules, now)) return 'expired';
  // The epoch ends tokens at once; their rows are marked afterwards.
  return token.tokenEpoch === tokenEpoch ? 'active' : 'revoked';
}
