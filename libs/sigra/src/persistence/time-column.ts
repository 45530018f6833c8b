/**
 * A `timestamptz` column as milliseconds since 1970, to be read by `toDate`. A number is cheaper to read than a text, and
 * it is one whatever parsers for times the host has given to `pg`: an expiry that comes back as a text would compare
 * wrongly with every date.
 */
export function timeColumn(column: string): string {
  return `date_part('epoch', ${column}) * 1000`;
}

export function toDate(ms: number): Date {
  return new Date(Math.round(ms));
}

export function toOptionalDate(ms: number | null): Date | null {
  return ms === null ? null : toDate(ms);
}

/** Several such columns of the table with this alias, under names of their own. */
export function timeColumns(alias: string, columns: readonly string[]): string {
  return columns.map((column) => `${timeColumn(`${alias}.${column}`)} AS ${column}`).join(', ');
}

/** Turns what `timeColumns` has selected into dates, in the rows themselves. */
export function withDates<R extends object>(rows: readonly object[], columns: readonly (keyof R)[]): R[] {
  for (const row of rows as Record<keyof R, unknown>[]) {
    for (const column of columns) row[column] = toOptionalDate(row[column] as number | null);
  }
  return rows as R[];
}
