import { onDatabase } from './database.js';

/** All columns, indexes and constraints of a database, in the order of their text. TypeORM's own tables are left out. */
export function schemaSnapshot(databaseUrl: string): Promise<string[]> {
  return onDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ object: string }>(`
      WITH tables AS (
        SELECT oid, relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT IN ('migrations', 'typeorm_metadata'))
      SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
        pg_get_expr(adbin, adrelid)) AS object
      FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      UNION ALL
      SELECT concat_ws(' ', pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN 'INVALID' END)
      FROM tables JOIN pg_index ON indrelid = tables.oid
      UNION ALL
      SELECT concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
      FROM tables JOIN pg_constraint ON conrelid = tables.oid
      ORDER BY object`);
    return rows.map(({ object }) => object);
  });
}
