import type { DataSource, QueryRunner } from 'typeorm';
import { schemasOf } from './table-catalog.js';
import { sigraTables } from './tables.js';

/** The names of Sigra's tables in a DataSource: quoted, with its `entityPrefix` and their schema. */
export type QualifiedNames = Readonly<Record<keyof typeof sigraTables, string>>;

/** The injection token of the names that all statements use. */
export const QUALIFIED_NAMES = Symbol('QUALIFIED_NAMES');

const MAX_NAME_BYTES = 63;

type TableName = keyof typeof sigraTables;

/**
 * Finds the names of Sigra's tables when the application starts. They have a schema from then on: the search path of a pooled
 * connection can change, and a temporary table can have the name of one of them.
 */
export async function findQualifiedNames(dataSource: DataSource): Promise<QualifiedNames> {
  const { schema, type } = dataSource.options as { schema?: string; type: string };
  // `SigraDatabase` rejects every other DataSource, and says why.
  if (schema || type !== 'postgres' || !dataSource.isInitialized) return qualifiedNames(dataSource);
  const keys = Object.keys(sigraTables) as TableName[];
  const tables = keys.map((key) => ({ schema: undefined, name: nameIn(dataSource, key) }));
  const schemas = await schemasOf((sql, values) => dataSource.query(sql, [...values]), tables);
  return namesOf((key) => qualified(schemas[keys.indexOf(key)], nameIn(dataSource, key)));
}

/** The names of Sigra's tables for a migration, in the schema of the DataSource or the current one. */
export function qualifiedNames(dataSource: DataSource): QualifiedNames {
  const { schema } = dataSource.options as { schema?: string };
  return namesOf((key) => qualified(schema, nameIn(dataSource, key)));
}

/** The names of the objects that a migration creates. */
export interface MigrationNames extends QualifiedNames {
  /** The quoted name of an index or a constraint, with `entityPrefix`, so that two installations fit into one schema. */
  readonly named: (name: string) => string;
  /** The same with the schema of the tables, for statements that change or drop an index. */
  readonly located: (name: string) => string;
}

/** Makes the names for a migration. */
export function migrationNames(runner: QueryRunner): MigrationNames {
  // TypeORM 1 renames it to dataSource; 0.3 has only this name.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const dataSource = runner.connection;
  const { entityPrefix = '', schema } = dataSource.options as { entityPrefix?: string; schema?: string };
  const prefixed = (name: string) => {
    // PostgreSQL would cut it, and two indexes could get the same name.
    if (Buffer.byteLength(entityPrefix + name) > MAX_NAME_BYTES) {
      throw new Error(`sigra: entityPrefix is too long: PostgreSQL's names have at most ${MAX_NAME_BYTES} bytes`);
    }
    return entityPrefix + name;
  };
  return {
    ...qualifiedNames(dataSource),
    named: (name) => quote(prefixed(name)),
    located: (name) => qualified(schema, prefixed(name)),
  };
}

/** The quoted name of a table, with its schema if it is known. */
export function qualified(schema: string | undefined, name: string): string {
  return (schema ? `${quote(schema)}.` : '') + quote(name);
}

/** Quotes an SQL identifier. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** Quotes an SQL string. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function nameIn({ options: { entityPrefix = '' } }: DataSource, key: TableName): string {
  return entityPrefix + sigraTables[key].name;
}

function namesOf(nameOf: (key: TableName) => string): QualifiedNames {
  const keys = Object.keys(sigraTables) as TableName[];
  return Object.fromEntries(keys.map((key) => [key, nameOf(key)])) as unknown as QualifiedNames;
}
