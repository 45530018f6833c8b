import type pg from 'pg';

/** Expressions by type, for row number n. */
const VALUES: Readonly<Record<string, string>> = {
  bytea: 'sha256(n::text::bytea)',
  date: 'current_date - n',
  int4: 'n',
  int8: 'n',
  jsonb: `'{}'`,
  text: `'text ' || n`,
  _text: `'{}'`,
  timestamptz: 'now()',
  uuid: 'gen_random_uuid()',
  varchar: `'text ' || n`,
};

interface FoundTable {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string; readonly target: string | null }[] | null;
}

/** Inserts rows into every empty table of Sigra: with a value in each column that needs one, and with the rows that these refer to. */
export async function fillTables(client: pg.Client, rows: number): Promise<void> {
  const { rows: tables } = await client.query<FoundTable>(`
    SELECT relname AS name, (
      SELECT json_agg(json_build_object('name', attname, 'type', typname, 'target', (
        SELECT confrelid::regclass::text FROM pg_constraint
        WHERE contype = 'f' AND conrelid = attrelid AND conkey = ARRAY[attnum])))
      FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
      WHERE attrelid = pg_class.oid AND attnum > 0 AND attnotnull AND NOT atthasdef) AS columns
    FROM pg_class WHERE relkind = 'r' AND relname LIKE 'sigra%'`);
  const filled = new Set<string>();
  const fill = async ({ name, columns }: FoundTable): Promise<void> => {
    if (filled.has(name)) return;
    filled.add(name);
    for (const { target } of columns ?? []) {
      if (target !== null) await fill(tables.find((table) => table.name === target)!);
    }
    const values = (columns ?? []).map(({ type, target }) =>
      target === null ? VALUES[type] : `(SELECT id FROM ${target} ORDER BY id OFFSET n - 1 LIMIT 1)`,
    );
    await client.query(`
      INSERT INTO ${name} (${(columns ?? []).map((column) => column.name).join(', ')})
      SELECT ${values.join(', ')} FROM generate_series(1, ${rows}) n WHERE NOT EXISTS (SELECT FROM ${name})`);
  };
  for (const table of tables) await fill(table);
}
