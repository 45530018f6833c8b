import { timeColumn, toDate, toOptionalDate } from './time-column.js';

/** A row of `sigra_api_tokens`, without the hash. */
export interface ApiTokenRow {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly prefix: string;
  readonly hint: string;
  readonly scopes: readonly string[];
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
  readonly last_used_ip: string | null;
  readonly replaced_by: string | null;
  readonly created_at: Date;
}

const TEXTS = ['id', 'user_id', 'name', 'prefix', 'hint', 'last_used_ip', 'replaced_by'] as const;
const TIMES = ['expires_at', 'revoked_at', 'last_used_at', 'created_at'] as const;

/** The row as the select list of `apiTokenColumns` delivers it: in types that cost little to read. */
export type RawApiTokenRow = Pick<ApiTokenRow, (typeof TEXTS)[number]> & {
  readonly scopes: string;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
  readonly created_at: number;
};

/** The select list of a token, with the table's alias. */
export function apiTokenColumns(alias: string): string {
  return [
    ...TEXTS.map((column) => `${alias}.${column}`),
    ...TIMES.map((column) => `${timeColumn(`${alias}.${column}`)} AS ${column}`),
    // No scope has a space in it.
    `array_to_string(${alias}.scopes, ' ') AS scopes`,
  ].join(', ');
}

export function toApiTokenRow(raw: RawApiTokenRow): ApiTokenRow {
  return {
    id: raw.id,
    user_id: raw.user_id,
    name: raw.name,
    prefix: raw.prefix,
    hint: raw.hint,
    scopes: raw.scopes.split(' '),
    expires_at: toOptionalDate(raw.expires_at),
    revoked_at: toOptionalDate(raw.revoked_at),
    last_used_at: toOptionalDate(raw.last_used_at),
    last_used_ip: raw.last_used_ip,
    replaced_by: raw.replaced_by,
    created_at: toDate(raw.created_at),
  };
}
