import type { DataSource } from 'typeorm';

/** In characters. Shorter parts of a secret can occur by chance, and the first four are the hint. */
const WINDOW = 10;

/** All values of all tables, as text. Binary columns are given in hexadecimal, in base64 and byte by byte. */
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

/** All strings in a value: keys, properties (also non-enumerable ones), and the text, stack and cause of errors. */
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

/** The texts that contain a raw token, or any ten characters of its secret part in any case. */
export function leaksOf(rawTokens: readonly string[], texts: readonly string[]): string[] {
  const parts = new Set<string>();
  for (const rawToken of rawTokens) {
    const secret = rawToken.slice('sigra_sk_'.length).toLowerCase();
    for (let start = 0; start + WINDOW <= secret.length; start++) parts.add(secret.slice(start, start + WINDOW));
  }
  return texts.filter((text) => hasPart(text.toLowerCase(), parts));
}

function hasPart(text: string, parts: ReadonlySet<string>): boolean {
  for (let start = 0; start + WINDOW <= text.length; start++) {
    if (parts.has(text.slice(start, start + WINDOW))) return true;
  }
  return false;
}
