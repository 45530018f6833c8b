import { type Figures, totalCpu } from './rounds.js';
import type { Table } from './section.js';

/** The usual columns of a contestant. */
export function figuresTable(title: string, unit: string, rows: readonly (readonly [string, Figures])[]): Table {
  const withDatabase = rows.every(([, { databaseCpu }]) => databaseCpu !== undefined);
  return {
    title,
    columns: [
      '',
      `${unit}/s`,
      'CPU µs each',
      ...(withDatabase ? ['of PostgreSQL', 'together'] : []),
      'p50 ms',
      'p99 ms',
    ],
    rows: rows.map(([name, figures]) => {
      const { rate, cpu, databaseCpu = NaN, p50, p99 } = figures;
      return [name, rate, cpu, ...(withDatabase ? [databaseCpu, totalCpu(figures)] : []), p50, p99];
    }),
  };
}
