import type { DataSource } from 'typeorm';

/** Every value of every column of every table, as text; binary columns as hexadecimal, as base64 and byte by byte. */
export async function everythingStored(dataSource: DataSource): Promise<string[]> {
  const columns: { table_name: string; column_name: string; data_type: string }[] = await dataSource.query(
    `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'`,
  );
  const values: string[] = [];
  for (const { table_name: table, column_name: column, data_type: type } of columns) {
    const forms =
      type === 'bytea'
        ? [`encode("${column}", 'hex')`, `encode("${column}", 'base64')`, `encode("${column}", 'escape')`]
        : [`"${column}"::text`];
    for (const form of forms) {
      const rows: { value: string }[] = await dataSource.query(
        `SELECT ${form} AS value FROM "${table}" WHERE "${column}" IS NOT NULL`,
      );
      values.push(...rows.map(({ value }) => `${table}.${column}: ${value}`));
    }
  }
  return values;
}

/** Every text in a value: keys and properties, hidden ones too, and of errors what they print and what caused them. */
export function everythingIn(value: unknown, seen = new Set<unknown>()): string[] {
  if (typeof value === 'string') return [value];
  if (Buffer.isBuffer(value)) return [value.toString('latin1'), value.toString('hex')];
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return [];
  seen.add(value);
  if (value instanceof Map || value instanceof Set) return [...value].flatMap((item) => everythingIn(item, seen));
  const own = Reflect.ownKeys(value).flatMap((key) => {
    const { value: property } = Object.getOwnPropertyDescriptor(value, key) ?? {};
    return [String(key), ...everythingIn(property, seen)];
  });
  return value instanceof Error ? [...own, String(value), value.stack ?? '', ...everythingIn(value.cause, seen)] : own;
}
