import type { MigrationNames } from '../qualified-names.js';

/** The primary key of `sigra_audit_events`. */
export const AUDIT_KEY = 'sigra_audit_events_pkey';

/** The other indexes of `sigra_audit_events`: their names and definitions. */
export const AUDIT_INDEXES: readonly (readonly [name: string, definition: string])[] = [
  ['sigra_audit_events_time', '(occurred_at, id)'],
  ['sigra_audit_events_actor', '(actor_id, occurred_at, id)'],
  ['sigra_audit_events_target', '(target_id, occurred_at, id)'],
  ['sigra_audit_events_action', '(action, occurred_at, id)'],
  ['sigra_audit_events_target_type', '(target_type, occurred_at, id)'],
  // Failures are rare, and often searched for.
  ['sigra_audit_events_failure', `(occurred_at, id) WHERE outcome = 'failure'`],
];

/** The statements that create them. */
export function createAuditIndexes({ auditEvents, named }: Pick<MigrationNames, 'auditEvents' | 'named'>): string[] {
  return AUDIT_INDEXES.map(([name, definition]) => `CREATE INDEX ${named(name)} ON ${auditEvents} ${definition}`);
}
