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

/** A row as `apiTokenColumn` delivers it. */
export interface RawApiTokenRow {
  readonly sigra_token: string;
}

/** Times are in milliseconds since 1970. */
type Packed = readonly [
  id: string,
  userId: string,
  name: string,
  prefix: string,
  hint: string,
  lastUsedIp: string | null,
  replacedBy: string | null,
  scopes: readonly string[],
  expiresAt: number | null,
  revokedAt: number | null,
  lastUsedAt: number | null,
  createdAt: number,
];

const AS_THEY_ARE = ['id', 'user_id', 'name', 'prefix', 'hint', 'last_used_ip', 'replaced_by', 'scopes'];
const TIMES = ['expires_at', 'revoked_at', 'last_used_at', 'created_at'];

/**
 * A token as a piece of a select list, with the table's alias: all in one column, which costs the driver a third of what
 * it spends on one for each.
 */
export function apiTokenColumn(alias: string): string {
  const values = [
    ...AS_THEY_ARE.map((column) => `${alias}.${column}`),
    ...TIMES.map((column) => timeColumn(`${alias}.${column}`)),
  ];
  // As text: what becomes of JSON is the host's choice, and is read by `toApiTokenRow`.
  return `json_build_array(${values.join(', ')})::text AS sigra_token`;
}

/** Whether `expires_at` has come. A time that is none, such as PostgreSQL's -infinity, has. */
export function hasExpired(expiresAt: Date, now: Date): boolean {
  return !(expiresAt > now);
}

export function toApiTokenRow(raw: RawApiTokenRow): ApiTokenRow {
  const packed = JSON.parse(raw.sigra_token) as Packed;
  return {
    id: packed[0],
    user_id: packed[1],
    name: packed[2],
    prefix: packed[3],
    hint: packed[4],
    last_used_ip: packed[5],
    replaced_by: packed[6],
    scopes: packed[7],
    expires_at: toOptionalDate(packed[8]),
    revoked_at: toOptionalDate(packed[9]),
    last_used_at: toOptionalDate(packed[10]),
    created_at: toDate(packed[11]),
  };
}
