import { literal } from '../qualified-names.js';
import { AUDIT_INDEXES, AUDIT_KEY, createAuditIndexes } from './audit-indexes.js';
import type { OnlineDdl } from './online-ddl.js';
import { addCheck, addIndex, type OnlineStep } from './online-steps.js';
import { OnlineMigration } from './online.migration.js';

/** Of the table that has all earlier events. Its indexes get the same suffix. */
const HISTORY = '_history';
/** The primary key of a partitioned table has the column of the partitions. */
const key = addIndex('auditEvents', 'sigra_audit_events_by_time', '(id, occurred_at)', { unique: true });

/**
 * Makes the table of audit events a partition of a new one with the same name, without reading a row under a lock. The partition
 * ends with the next month, so that a slow migration has time.
 */
const partitionByMonth: OnlineStep = {
  up: async (ddl) => {
    if (await ddl.isPartitioned('auditEvents')) return;
    const end = await endOfHistory(ddl);
    const check = addCheck('auditEvents', 'sigra_audit_events_end', `occurred_at < ${literal(end)}`);
    await key.up(ddl);
    // PostgreSQL does not read the rows of a partition that has this condition.
    await check.up(ddl);
    const { auditEvents, named, located } = ddl.names;
    const history = named(`sigra_audit_events${HISTORY}`);
    const historyTable = located(`sigra_audit_events${HISTORY}`);
    const others = located('sigra_audit_events_others');
    const primaryKey = 'PRIMARY KEY (id, occurred_at)';
    await ddl.quick(
      [
        `ALTER TABLE ${auditEvents} DROP CONSTRAINT ${named(AUDIT_KEY)}`,
        `ALTER TABLE ${auditEvents} ADD CONSTRAINT ${named(AUDIT_KEY + HISTORY)} PRIMARY KEY USING INDEX ${named('sigra_audit_events_by_time')}`,
        `ALTER TABLE ${auditEvents} RENAME TO ${history}`,
        ...AUDIT_INDEXES.map(([name]) => `ALTER INDEX ${located(name)} RENAME TO ${named(name + HISTORY)}`),
        `CREATE TABLE ${auditEvents} (LIKE ${historyTable} INCLUDING DEFAULTS, CONSTRAINT ${named(AUDIT_KEY)} ${primaryKey}) PARTITION BY RANGE (occurred_at)`,
        ...createAuditIndexes(ddl.names),
        `ALTER TABLE ${auditEvents} ATTACH PARTITION ${historyTable} FOR VALUES FROM (MINVALUE) TO (${literal(end)})`,
        `ALTER TABLE ${historyTable} DROP CONSTRAINT ${named('sigra_audit_events_end')}`,
        // Events that no other partition has: no change may fail because a partition was not made.
        `CREATE TABLE ${others} PARTITION OF ${auditEvents} DEFAULT`,
        ...[auditEvents, others].map((table) => copyOwnership(historyTable, table)),
      ].join('; '),
    );
  },
  // Writes all events again.
  down: async (ddl) => {
    const { auditEvents, named, located } = ddl.names;
    if (!(await ddl.isPartitioned('auditEvents'))) {
      await ddl.quick(`ALTER TABLE ${auditEvents} DROP CONSTRAINT IF EXISTS ${named('sigra_audit_events_end')}`);
      await key.down(ddl);
      return;
    }
    const plain = located('sigra_audit_events_plain');
    await ddl.slow(
      [
        `LOCK TABLE ${auditEvents} IN ACCESS EXCLUSIVE MODE`,
        `CREATE TABLE ${plain} (LIKE ${auditEvents} INCLUDING DEFAULTS)`,
        `INSERT INTO ${plain} SELECT * FROM ${auditEvents}`,
        copyOwnership(auditEvents, plain),
        `DROP TABLE ${auditEvents}`,
        `ALTER TABLE ${plain} RENAME TO ${named('sigra_audit_events')}`,
        `ALTER TABLE ${auditEvents} ADD CONSTRAINT ${named(AUDIT_KEY)} PRIMARY KEY (id)`,
        ...createAuditIndexes(ddl.names),
      ].join('; '),
    );
  },
};

/**
 * Divides the audit events into partitions of one month each, which clean-up makes ahead, and drops when `audit.retention` has
 * passed.
 */
export class PartitionAuditEvents1767225600002 extends OnlineMigration {
  readonly name = 'PartitionAuditEvents1767225600002';
  protected readonly steps = [partitionByMonth];
}

/** @throws when events of the application are later */
async function endOfHistory(ddl: OnlineDdl): Promise<string> {
  const now = new Date();
  const end = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 2)).toISOString();
  if (await ddl.exists(`SELECT FROM ${ddl.names.auditEvents} WHERE occurred_at >= ${literal(end)}`)) {
    throw new Error(
      `sigra: the audit trail has events of ${end} or later: correct or delete them before this migration`,
    );
  }
  return end;
}

/** A new table belongs to the role that makes it, and no other role can use it. */
function copyOwnership(from: string, to: string): string {
  return `DO $sigra$
    DECLARE each record;
    BEGIN
      FOR each IN
        SELECT privilege_type, is_grantable, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS role
        FROM pg_catalog.pg_class c, aclexplode(c.relacl) WHERE c.oid = to_regclass(${literal(from)})
      LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', each.privilege_type, ${literal(to)}, each.role,
          CASE WHEN each.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
      END LOOP;
      EXECUTE format('ALTER TABLE %s OWNER TO %I', ${literal(to)},
        (SELECT pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = to_regclass(${literal(from)})));
    END $sigra$`;
}
