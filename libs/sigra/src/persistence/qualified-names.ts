import type { DataSource, QueryRunner } from 'typeorm';
import { sigraTables } from './tables.js';

/** The names of Sigra's tables in a DataSource: quoted, with its `entityPrefix` and its `schema`. */
export type QualifiedNames = Readonly<Record<keyof typeof sigraTables, string>>;

/** Makes the names of Sigra's tables in a DataSource. */
export function qualifiedNames(dataSource: DataSource): QualifiedNames {
  const { schema, entityPrefix = '' } = dataSource.options as { schema?: string; entityPrefix?: string };
  const qualified = (name: string) => (schema ? `${quote(schema)}.` : '') + quote(entityPrefix + name);
  return Object.fromEntries(
    Object.entries(sigraTables).map(([key, { name }]) => [key, qualified(name)]),
  ) as unknown as QualifiedNames;
}

/** The names of the objects that a migration creates. */
export interface MigrationNames extends QualifiedNames {
  /** The quoted name of an index or a constraint, with `entityPrefix`, so that two installations fit into one schema. */
  readonly named: (name: string) => string;
}

/** Makes the names for a migration. */
export function migrationNames(runner: QueryRunner): MigrationNames {
  // TypeORM 1 renames it to dataSource; 0.3 has only this name.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const dataSource = runner.connection;
  const { entityPrefix = '' } = dataSource.options;
  return { ...qualifiedNames(dataSource), named: (name) => quote(entityPrefix + name) };
}

/** Quotes an SQL identifier. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
