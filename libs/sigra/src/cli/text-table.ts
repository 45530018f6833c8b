/** The columns of a table: the heading, and the cell of a row. */
export type TableColumns<Row> = Readonly<Record<string, (row: Row) => unknown>>;

/** Formats rows as a table for people. */
export function textTable<Row>(rows: readonly Row[], columns: TableColumns<Row>): string {
  const cells = rows.map((row) => Object.values(columns).map((cellOf) => cellText(cellOf(row))));
  return aligned([Object.keys(columns), ...cells]);
}

/** Formats properties as lines of a name and a value. */
export function textFields(fields: Readonly<Record<string, unknown>>): string {
  return aligned(Object.entries(fields).map(([name, value]) => [name, cellText(value)]));
}

/** Formats lines of cells, with each column as wide as its longest cell. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines.reduce<number[]>(
    (found, line) => line.map((cell, column) => Math.max(cell.length, found[column] ?? 0)),
    [],
  );
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A value as text. Owners choose names, so control characters cannot reach the terminal. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(cellText).join(' ') || '-';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replaceAll(/\p{C}/gu, '?');
}
