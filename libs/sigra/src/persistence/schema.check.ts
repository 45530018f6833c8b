import { Injectable } from '@nestjs/common';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { type MigratedIndex, migratedObjects } from './migrated-objects.js';
import { nextMigrations, sigraMigrations } from './migrations/sigra-migrations.js';
import { SigraDatabase } from './sigra-database.js';
import { sigraTables } from './tables.js';

const REMEDY =
  "Run Sigra's migrations: add ...sigraMigrations to the migrations of the DataSource and set migrationsTransactionMode: 'each', " +
  'then run `npx typeorm migration:run -d dist/data-source.js` with the file that exports your DataSource, `DATABASE_URL=… npx sigra migration run`, which needs no file, or set migrationsRun: true';
/** A table as the database has it; `columns` is null when it does not exist. */
interface FoundTable {
  readonly name: string;
  /** The ids of the types that columns of the migrations have, by name: a type has several names, and settings can quote them. */
  readonly typeIds: Readonly<Record<string, string>>;
  readonly columns: readonly FoundColumn[] | null;
  readonly indexes: readonly FoundIndex[] | null;
  /** The names of valid foreign keys that delete with the row that they refer to. */
  readonly foreignKeys: readonly string[] | null;
}

interface FoundColumn {
  readonly name: string;
  readonly type: string;
  readonly typeId: string;
  readonly notNull: boolean;
}

interface FoundIndex {
  readonly name: string;
  readonly isValid: boolean;
  /** The condition of a partial index, as PostgreSQL prints it. */
  readonly condition: string | null;
  /** What the index does, as `migratedObjects` writes it. */
  readonly shape: string;
}

/** A part of the tables that is not as the migrations make it. */
export interface SchemaDifference {
  readonly part: 'table' | 'column' | 'index' | 'condition' | 'foreign_key';
  /** What the DataSource "has", such as `has no table "sigra_owners"`. */
  readonly problem: string;
  readonly remedy: string;
}

/** Compares the tables of the database with those that the migrations make. */
@Injectable()
export class SchemaCheck {
  constructor(private readonly database: SigraDatabase) {}

  /**
   * Checks that all tables, columns, foreign keys and valid indexes exist, and are as the migrations make them. Lengths,
   * defaults and the conditions of partial indexes are not compared.
   *
   * @throws SigraConfigError when something is missing or different
   * @throws SigraError `unavailable`
   */
  async assertComplete(): Promise<void> {
    const [first] = (await this.differences()).filter(({ part }) => part !== 'condition');
    if (first) throw new SigraConfigError('dataSource', `${first.problem}. ${first.remedy}`);
  }

  /**
   * Finds all differences from the migrations, also those of the conditions of partial indexes. While a table is missing, only
   * missing tables.
   *
   * @throws SigraError `unavailable`
   */
  async differences(): Promise<readonly SchemaDifference[]> {
    const { names } = this.database;
    const keys = Object.keys(sigraTables) as (keyof typeof sigraTables)[];
    const tables = await this.find(keys.map((key) => names[key]));
    const byName = new Map(tables.map((table) => [table.name, table]));
    const missing = keys.filter((key) => !byName.get(names[key])?.columns);
    if (missing.length > 0) return missing.map((key) => difference('table', `has no table ${names[key]}`));
    const migrations = [...sigraMigrations, ...nextMigrations];
    const { indexes, foreignKeys } = await migratedObjects(this.database.dataSource, migrations);
    const columns = keys.flatMap((key) => differentColumns(byName.get(names[key]), sigraTables[key].columnTypes));
    const foundIndexes = new Map(tables.flatMap((table) => table.indexes ?? []).map((index) => [index.name, index]));
    const foundKeys = new Set(tables.flatMap((table) => table.foreignKeys ?? []));
    return [
      ...columns,
      ...indexes.flatMap((index) => differentIndex(index, foundIndexes.get(unquote(index.name))) ?? []),
      ...foreignKeys
        .filter((name) => !foundKeys.has(unquote(name)))
        .map((name) => difference('foreign_key', `has no valid foreign key ${name} with ON DELETE CASCADE`)),
    ];
  }

  private async find(tables: readonly string[]): Promise<readonly FoundTable[]> {
    const types = Object.values(sigraTables).flatMap(({ columnTypes }) =>
      [...columnTypes.values()].map(({ type }) => type),
    );
    const rows = await this.database.query<{ found: string }>(
      `SELECT json_build_object(
         'name', wanted.name,
         'typeIds', (SELECT json_object_agg(type, to_regtype(type)::oid::text) FROM unnest($2::text[]) AS type),
         'columns', (
           SELECT json_agg(json_build_object(
             'name', a.attname, 'type', format_type(a.atttypid, NULL), 'typeId', a.atttypid::text, 'notNull', a.attnotnull))
           FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = to_regclass(wanted.name) AND a.attnum > 0 AND NOT a.attisdropped),
         'indexes', (
           SELECT json_agg(json_build_object('name', c.relname, 'isValid', i.indisvalid,
             'condition', pg_get_expr(i.indpred, i.indrelid), 'shape', concat(
             CASE WHEN i.indisunique THEN 'unique ' END, m.amname, ' (', (
               SELECT string_agg(coalesce(a.attname, '?'), ', ' ORDER BY key.place)
               FROM unnest(i.indkey) WITH ORDINALITY AS key(attnum, place)
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.attnum),
             ')', CASE WHEN i.indpred IS NOT NULL THEN ' with a condition' END)))
           FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
           JOIN pg_catalog.pg_am m ON m.oid = c.relam
           WHERE i.indrelid = to_regclass(wanted.name)),
         'foreignKeys', (
           SELECT json_agg(f.conname) FROM pg_catalog.pg_constraint f
           WHERE f.conrelid = to_regclass(wanted.name) AND f.contype = 'f' AND f.convalidated AND f.confdeltype = 'c')
       )::text AS found
       FROM unnest($1::text[]) AS wanted(name)`,
      [tables, [...new Set(types)]],
    );
    return rows.map(({ found }) => JSON.parse(found) as FoundTable);
  }
}

function differentColumns(
  found: FoundTable | undefined,
  expected: ReadonlyMap<string, { readonly type: string; readonly nullable: boolean }>,
): SchemaDifference[] {
  const { name: table = '', typeIds = {}, columns } = found ?? {};
  return [...expected].flatMap(([name, { type, nullable }]) => {
    const column = columns?.find((each) => each.name === name);
    if (!column) return difference('column', `has no column "${name}" in ${table}`);
    if (column.typeId === typeIds[type] && column.notNull !== nullable) return [];
    const [actual, wanted] = [describeType(column.type, column.notNull), describeType(type, !nullable)];
    return difference(
      'column',
      `has the column "${name}" in ${table} as ${actual}, not as ${wanted}`,
      'Undo the change of this column',
    );
  });
}

function differentIndex(
  { name, shape, condition, statement }: MigratedIndex,
  found: FoundIndex | undefined,
): SchemaDifference | undefined {
  const remedy = statement === undefined ? REMEDY : `Create it: ${statement}`;
  if (!found) return difference('index', `has no valid index ${name}`, remedy);
  if (!found.isValid) return difference('index', `has no valid index ${name}`, `Drop it. ${remedy}`);
  if (shape === undefined) return undefined;
  if (found.shape !== shape) {
    return difference('index', `has the index ${name} as ${found.shape}, not as ${shape}`, `Drop it. ${remedy}`);
  }
  if (plain(found.condition ?? '') === plain(condition ?? '')) return undefined;
  return difference(
    'condition',
    `has the index ${name} for other rows than those that are looked for: ${found.condition ?? ''}`,
    `Drop it. ${remedy}`,
  );
}

/** A condition without the parentheses and casts that PostgreSQL adds. */
function plain(condition: string): string {
  return condition.replaceAll(/::[a-z]+(?:\[\])?|[()\s]/g, '').toLowerCase();
}

function describeType(type: string, notNull: boolean): string {
  return notNull ? `${type} NOT NULL` : type;
}

function difference(part: SchemaDifference['part'], problem: string, remedy = REMEDY): SchemaDifference {
  return { part, problem, remedy };
}

function unquote(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
