import { later } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';
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
