/** A row of `sigra_api_tokens` as read, without the hash. */
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

const COLUMNS = [
  'id',
  'user_id',
  'name',
  'prefix',
  'hint',
  'scopes',
  'expires_at',
  'revoked_at',
  'last_used_at',
  'last_used_ip',
  'replaced_by',
  'created_at',
] as const satisfies readonly (keyof ApiTokenRow)[];

/** The select list of a token, with the table's alias. */
export function apiTokenColumns(alias: string): string {
  return COLUMNS.map((column) => `${alias}.${column}`).join(', ');
}
