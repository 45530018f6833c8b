import { later } from '../common/clock.js';
import { storedPrefixesOf, type TokenRules } from '../common/token-kinds.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { literal } from './qualified-names.js';
import type { ApiToken } from './tables.js';

type Rules = Pick<SigraConfig['apiTokens'], 'idleTtl'>;

/**
 * When an unused token expires: `apiTokens.idleTtl` after its last recorded use, or after its creation.
 *
 * @returns null without the option
 */
export function idleEndOf(
  { lastUsedAt, createdAt }: Pick<ApiToken, 'lastUsedAt' | 'createdAt'>,
  { idleTtl }: Rules,
): Date | null {
  return idleTtl === undefined ? null : later(lastUsedAt ?? createdAt, idleTtl);
}

/** SQL of `idleEndOf` the token `alias`. */
export function idleEndSql(alias: string, { idleTtl }: Rules): string {
  if (idleTtl === undefined) return 'NULL::timestamptz';
  return `(coalesce(${alias}.last_used_at, ${alias}.created_at) + make_interval(secs => ${idleTtl}))`;
}

/** SQL of the time at which the token `alias` expires; null for none. See `isExpired`. */
export function expirySql(
  alias: string,
  { enforceOnExisting, kinds, idleTtl }: Pick<SigraConfig['apiTokens'], 'enforceOnExisting' | 'kinds' | 'idleTtl'>,
): string {
  const byPrefix = kinds.all.flatMap((kind) =>
    storedPrefixesOf(kind).map((prefix) => `WHEN ${literal(prefix)} THEN ${endBy(alias, kind)}`),
  );
  const end = enforceOnExisting
    ? `CASE ${alias}.prefix ${byPrefix.join(' ')} ELSE ${endBy(alias, kinds.others)} END`
    : `${alias}.expires_at`;
  return `least(${end}, ${idleEndSql(alias, { idleTtl })})`;
}

function endBy(alias: string, { requireExpiry, maxTtl }: TokenRules): string {
  if (maxTtl !== undefined) {
    return `least(${alias}.created_at + make_interval(secs => ${maxTtl}), ${alias}.expires_at)`;
  }
  return requireExpiry ? `coalesce(${alias}.expires_at, ${alias}.created_at)` : `${alias}.expires_at`;
}
