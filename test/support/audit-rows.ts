import type { DataSource } from 'typeorm';

/** A row of `sigra_audit_events` as stored. */
export interface AuditRow {
  readonly action: string;
  readonly outcome: string;
  readonly actor_id: string | null;
  readonly actor_type: string;
  readonly target_id: string | null;
  readonly target_type: string | null;
  readonly metadata: Record<string, unknown>;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly occurred_at: Date;
}

/** The audit rows about one target, oldest first; without a target, all of them. */
export function auditRows(dataSource: DataSource, targetId?: string): Promise<AuditRow[]> {
  return dataSource.query<AuditRow[]>(
    `SELECT * FROM sigra_audit_events WHERE $1::text IS NULL OR target_id = $1 ORDER BY occurred_at, id`,
    [targetId ?? null],
  );
}

/** The actions of `auditRows`. */
export async function auditActions(dataSource: DataSource, targetId?: string): Promise<string[]> {
  return (await auditRows(dataSource, targetId)).map(({ action }) => action);
}
