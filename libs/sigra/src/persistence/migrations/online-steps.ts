import type { QualifiedNames } from '../qualified-names.js';
import type { OnlineDdl } from './online-ddl.js';

/** A change of a table and its reverse. Both can be repeated: a process can be killed before TypeORM has recorded the migration. */
export interface OnlineStep {
  readonly up: (ddl: OnlineDdl) => Promise<void>;
  readonly down: (ddl: OnlineDdl) => Promise<void>;
}

type Table = keyof QualifiedNames;

/**
 * Adds a column.
 *
 * @param type with a default that is a constant, if it has one; any other writes all rows again
 */
export function addColumn(table: Table, column: string, type: string): OnlineStep {
  return {
    up: (ddl) => ddl.quick(`ALTER TABLE ${ddl.names[table]} ADD COLUMN IF NOT EXISTS ${column} ${type}`),
    down: (ddl) => ddl.quick(`ALTER TABLE ${ddl.names[table]} DROP COLUMN IF EXISTS ${column}`),
  };
}

/** Adds a condition that all rows meet already, such as `place IS NOT NULL`. */
export function addCheck(table: Table, name: string, condition: string): OnlineStep {
  return addConstraint(table, name, `CHECK (${condition})`);
}

/** Adds a reference to the id of another table. A row is deleted with the one that it refers to. */
export function addForeignKey(table: Table, name: string, column: string, to: Table): OnlineStep {
  return addConstraint(
    table,
    name,
    (names) => `FOREIGN KEY (${column}) REFERENCES ${names[to]} (id) ON DELETE CASCADE`,
  );
}

/**
 * Adds an index.
 *
 * @param definition the columns in parentheses, with a method before and a condition behind if it has them
 */
export function addIndex(table: Table, name: string, definition: string, { unique = false } = {}): OnlineStep {
  const down = (ddl: OnlineDdl) => ddl.slow(`DROP INDEX CONCURRENTLY IF EXISTS ${ddl.names.located(name)}`);
  return {
    up: async (ddl) => {
      const { names } = ddl;
      const state = await ddl.stateOfIndex(name);
      if (state === 'valid') return;
      if (state === 'invalid') await down(ddl);
      const create = `CREATE ${unique ? 'UNIQUE ' : ''}INDEX CONCURRENTLY`;
      await ddl.slow(`${create} ${names.named(name)} ON ${names[table]} ${definition}`);
    },
    down,
  };
}

/** The reverse of a step, such as `dropped(addIndex(…))`. */
export function dropped({ up, down }: OnlineStep): OnlineStep {
  return { up: down, down: up };
}

function addConstraint(
  table: Table,
  name: string,
  definition: string | ((names: QualifiedNames) => string),
): OnlineStep {
  const drop = (ddl: OnlineDdl) => `DROP CONSTRAINT IF EXISTS ${ddl.names.named(name)}`;
  return {
    up: async (ddl) => {
      const { names } = ddl;
      const text = typeof definition === 'string' ? definition : definition(names);
      const alter = `ALTER TABLE ${names[table]}`;
      await ddl.quick(`${alter} ${drop(ddl)}, ADD CONSTRAINT ${names.named(name)} ${text} NOT VALID`);
      await ddl.slow(`${alter} VALIDATE CONSTRAINT ${names.named(name)}`);
    },
    down: (ddl) => ddl.quick(`ALTER TABLE ${ddl.names[table]} ${drop(ddl)}`),
  };
}
