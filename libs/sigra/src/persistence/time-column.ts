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
