import type { DataSource } from 'typeorm';

/** A row of `sigra_refresh_families` as stored. */
export interface FamilyRow {
  readonly id: string;
  readonly owner_type: string;
  readonly owner_id: string;
  readonly epoch: number;
  readonly scopes: readonly string[];
  readonly absolute_expires_at: Date;
  readonly revoked_at: Date | null;
  readonly revoke_reason: string | null;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly created_at: Date;
}

/** A row of `sigra_refresh_tokens` as stored. */
export interface RefreshRow {
  readonly id: string;
  readonly family_id: string;
  readonly parent_id: string | null;
  readonly token_hash: Buffer;
  readonly expires_at: Date;
  readonly consumed_at: Date | null;
  readonly sealed_successor: Buffer | null;
  readonly created_at: Date;
}

export async function familyRow(dataSource: DataSource, familyId: string): Promise<FamilyRow> {
  const rows = await dataSource.query<FamilyRow[]>('SELECT * FROM sigra_refresh_families WHERE id = $1', [familyId]);
  if (!rows[0]) throw new Error('There is no such family');
  return rows[0];
}

/** The tokens of a family, oldest first: ids are generated in that order. */
export function refreshRows(dataSource: DataSource, familyId: string): Promise<RefreshRow[]> {
  return dataSource.query<RefreshRow[]>('SELECT * FROM sigra_refresh_tokens WHERE family_id = $1 ORDER BY id', [
    familyId,
  ]);
}

/** All rows that the library has written. A refusal must not change them. */
export async function everyRow(dataSource: DataSource): Promise<unknown> {
  const tables = ['sigra_refresh_families', 'sigra_refresh_tokens', 'sigra_owners', 'sigra_audit_events'];
  return Promise.all(tables.map((table) => dataSource.query(`SELECT * FROM ${table} t ORDER BY t::text`)));
}
