import { later } from '../common/clock.js';
import type { TokenRules } from '../common/token-kinds.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { literal } from './qualified-names.js';
import type { ApiToken } from './tables.js';

type Rules = Pick<SigraConfig['apiTokens'], 'kinds'>;

/**
 * When an unused token expires: `idleTtl` of its kind after its last recorded use, or after its creation.
 *
 * @returns null without the option
 */
export function idleEndOf(token: Pick<ApiToken, 'lastUsedAt' | 'createdAt' | 'prefix'>, { kinds }: Rules): Date | null {
  const { idleTtl } = kinds.rulesOf(token);
  const { lastUsedAt, createdAt } = token;
  return idleTtl === undefined ? null : later(lastUsedAt ?? createdAt, idleTtl);
}

/** SQL of `idleEndOf` the token `alias`. */
export function idleEndSql(alias: string, { kinds }: Rules): string {
  const seconds = byPrefix(alias, kinds, ({ idleTtl }) => String(idleTtl ?? 'NULL'));
  if (seconds === 'NULL') return 'NULL::timestamptz';
  return `(coalesce(${alias}.last_used_at, ${alias}.created_at) + make_interval(secs => ${seconds}))`;
}

/** SQL of a value that the rules for the token `alias` determine. */
function byPrefix(alias: string, kinds: Rules['kinds'], valueOf: (rules: TokenRules) => string): string {
  const values = kinds.rulesByPrefix.map(([prefix, rules]) => [prefix, valueOf(rules)] as const);
  const [first, ...others] = new Set(values.map(([, value]) => value));
  if (first !== undefined && others.length === 0) return first;
  const cases = values.map(([prefix, value]) =>
    prefix === null ? `ELSE ${value}` : `WHEN ${literal(prefix)} THEN ${value}`,
  );
  return `CASE ${alias}.prefix ${cases.join(' ')} END`;
}

/** SQL of the time at which the token `alias` ends, however often it is used; null for none. See `endOfToken`. */
export function endSql(
  alias: string,
  { enforceOnExisting, kinds }: Pick<SigraConfig['apiTokens'], 'enforceOnExisting' | 'kinds'>,
): string {
  return enforceOnExisting ? byPrefix(alias, kinds, (rules) => endBy(alias, rules)) : `${alias}.expires_at`;
}

/** SQL of the time at which the token `alias` expires; null for none. See `isExpired`. */
export function expirySql(alias: string, rules: Parameters<typeof endSql>[1]): string {
  return `least(${endSql(alias, rules)}, ${idleEndSql(alias, rules)})`;
}

function endBy(alias: string, { requireExpiry, maxTtl }: TokenRules): string {
  if (maxTtl !== undefined) {
    return `least(${alias}.created_at + make_interval(secs => ${maxTtl}), ${alias}.expires_at)`;
  }
  return requireExpiry ? `coalesce(${alias}.expires_at, ${alias}.created_at)` : `${alias}.expires_at`;
}
