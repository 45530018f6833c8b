/** Runs a statement on the application's database. */
export type RunQuery = (sql: string, values: readonly unknown[]) => Promise<unknown>;

/** The name of a table as a DataSource knows it. */
export interface TableName {
  /** @default the first schema of the search path that has the table */
  readonly schema: string | undefined;
  /** Without quotes. */
  readonly name: string;
}

/** A column as the database knows it. */
export interface CatalogColumn {
  /** The name of its type in `pg_type`; of a domain, the type below it. */
  readonly type: string;
  readonly typeSchema: string;
  /** Whether two rows cannot have the same value. */
  readonly isUnique: boolean;
}

/** The facts about a database that do not change while an application runs. */
export interface CatalogFacts {
  /** Undefined when the table or its column does not exist. */
  readonly column: CatalogColumn | undefined;
  /** The schemas of the search path that exist, without temporary ones. */
  readonly schemas: readonly string[];
  /** The schema of the type `citext`; undefined without the extension. */
  readonly citextSchema: string | undefined;
  /** Whether `lower()`, and so `citext`, also changes letters outside of ASCII. */
  readonly lowersUnicode: boolean;
}

/*
 * The catalogs are named with their schema, because a temporary table could have the name of one of them.
 */

/** The schemas of the search path, without those for temporary tables. */
const SEARCHED = `
  SELECT n.oid, n.nspname, path.position
  FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(name, position)
  JOIN pg_catalog.pg_namespace n ON n.nspname = path.name
  WHERE n.oid <> pg_my_temp_schema()`;

/**
 * Finds the schemas of tables. A table that does not exist yet is expected where `CREATE TABLE` would make it. Temporary
 * tables do not count.
 *
 * @returns undefined for a table without a schema, when the search path has none that exists
 */
export async function schemasOf(run: RunQuery, tables: readonly TableName[]): Promise<(string | undefined)[]> {
  const rows = (await run(
    `WITH searched AS (${SEARCHED})
     SELECT coalesce(nullif(wanted.schema, ''), found.nspname, (SELECT nspname FROM searched ORDER BY position LIMIT 1)) AS schema
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted(schema, name, n)
     LEFT JOIN LATERAL (
       SELECT searched.nspname
       FROM searched JOIN pg_catalog.pg_class c ON c.relnamespace = searched.oid
       WHERE c.relname = wanted.name::name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       ORDER BY searched.position LIMIT 1
     ) found ON true
     ORDER BY wanted.n`,
    // With `array_nulls = off`, a null in an array would be the string 'NULL'.
    [tables.map(({ schema }) => schema ?? ''), tables.map(({ name }) => name)],
  )) as { schema: string | null }[];
  return rows.map(({ schema }) => schema ?? undefined);
}

/** Reads what the database knows about a column of a table. */
export async function describeColumn(run: RunQuery, table: TableName, column: string): Promise<CatalogFacts> {
  const [row] = (await run(
    // Booleans and arrays as text: the application can set type parsers on `pg`.
    `WITH RECURSIVE searched AS (${SEARCHED}),
     wanted AS (
       SELECT c.oid AS relation, c.relkind, a.attnum, a.atttypid
       FROM pg_catalog.pg_namespace n
       JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
       WHERE n.nspname = $1::name AND c.relname = $2::name AND a.attname = $3::name AND a.attnum > 0
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     ),
     types AS (
       SELECT t.* FROM wanted JOIN pg_catalog.pg_type t ON t.oid = wanted.atttypid
       UNION ALL
       SELECT t.* FROM types JOIN pg_catalog.pg_type t ON t.oid = types.typbasetype WHERE types.typtype = 'd'
     )
     SELECT base.typname AS type, base_schema.nspname AS type_schema,
       (EXISTS (
         SELECT FROM pg_catalog.pg_index i
         WHERE i.indrelid = wanted.relation AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
           AND i.indnkeyatts = 1 AND i.indkey[0] = wanted.attnum
       ) AND (wanted.relkind = 'p' OR NOT EXISTS (
         -- Rows of tables that inherit from it are read too, and its index does not cover them.
         SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = wanted.relation
       )))::text AS is_unique,
       (SELECT json_agg(nspname ORDER BY position)::text FROM searched) AS schemas,
       (SELECT n.nspname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typname = 'citext' LIMIT 1) AS citext_schema,
       (CASE WHEN getdatabaseencoding() = 'UTF8' THEN lower(chr(220)) = chr(252) ELSE false END)::text AS lowers_unicode
     FROM (SELECT 1) one
     LEFT JOIN wanted ON true
     LEFT JOIN types base ON base.typtype <> 'd'
     LEFT JOIN pg_catalog.pg_namespace base_schema ON base_schema.oid = base.typnamespace`,
    [table.schema ?? null, table.name, column],
  )) as [FactsRow];
  const { type, type_schema: typeSchema, is_unique: isUnique } = row;
  return {
    column: type !== null && typeSchema !== null ? { type, typeSchema, isUnique: isUnique === 'true' } : undefined,
    schemas: row.schemas === null ? [] : (JSON.parse(row.schemas) as string[]),
    citextSchema: row.citext_schema ?? undefined,
    lowersUnicode: row.lowers_unicode === 'true',
  };
}

interface FactsRow {
  readonly type: string | null;
  readonly type_schema: string | null;
  readonly is_unique: string | null;
  readonly schemas: string | null;
  readonly citext_schema: string | null;
  readonly lowers_unicode: string;
}
