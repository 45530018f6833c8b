import type { SchemaDifference } from '../../persistence/schema.check.js';
import type { TableFacts } from '../../persistence/set-up.reader.js';
import type { Check, Finding } from './finding.js';

/** Checks of the tables as their owner has set them. */
export const tableChecks: readonly Check<readonly TableFacts[]>[] = [
  {
    code: 'tables.autovacuum',
    severity: 'warning',
    remedy: 'ALTER TABLE … RESET (autovacuum_enabled)',
    find: (tables) => named(tables, ({ autovacuum }) => !autovacuum, 'Autovacuum is off for', 'they grow without end'),
  },
  {
    code: 'tables.row_security',
    severity: 'error',
    remedy: 'ALTER TABLE … DISABLE ROW LEVEL SECURITY, or connect with a role that bypasses it.',
    find: (tables) =>
      named(tables, ({ hidesRows }) => hidesRows, 'Row-level security hides rows of', 'credentials look unknown'),
  },
  {
    code: 'tables.privileges',
    severity: 'error',
    remedy: 'GRANT SELECT, INSERT, UPDATE, DELETE ON … TO the role of the application.',
    find: (tables) => {
      const missing = tables.flatMap(({ name, missingPrivileges }) =>
        missingPrivileges ? `${name} (${missingPrivileges.join(', ')})` : [],
      );
      return missing.length === 0 ? undefined : `The role has not all privileges on ${missing.join(', ')}.`;
    },
  },
];

/** Whether large tables are read without an index. */
export const scanCheck: Check<readonly string[]> = {
  code: 'tables.sequential_scan',
  severity: 'warning',
  remedy:
    'Run ANALYZE on these tables, and remove settings such as enable_indexscan = off from the role and the database.',
  find: (tables) =>
    tables.length === 0
      ? undefined
      : `Each request reads all rows of ${tables.join(', ')}, although there is an index.`,
};

/** Whether clean-up has made the partitions of the audit events ahead; undefined without partitions. */
export const partitionCheck: Check<boolean | undefined> = {
  code: 'tables.audit_partitions',
  severity: 'warning',
  remedy: 'Run `npx sigra cleanup` with a role that owns the table of audit events, at least once in three months.',
  find: (areMade) =>
    areMade === false
      ? 'The audit events of the next month have no partition: clean-up has not run, or its role does not own the table.'
      : undefined,
};

/** The codes of differences from the migrations, by the part that is different. */
export const SCHEMA_CODES: Readonly<Record<SchemaDifference['part'], string>> = {
  table: 'schema.table',
  column: 'schema.column',
  index: 'schema.index',
  condition: 'schema.index_condition',
  foreign_key: 'schema.foreign_key',
};

/** The finding of a difference from the migrations. */
export function findingOfDifference({ part, problem, remedy }: SchemaDifference): Finding {
  const severity = part === 'condition' ? 'warning' : 'error';
  return { code: SCHEMA_CODES[part], severity, problem: `The database ${problem}.`, remedy: `${remedy}.` };
}

function named(
  tables: readonly TableFacts[],
  isBad: (table: TableFacts) => boolean,
  problem: string,
  effect: string,
): string | undefined {
  const names = tables.filter(isBad).map(({ name }) => name);
  return names.length === 0 ? undefined : `${problem} ${names.join(', ')}: ${effect}.`;
}
