import type { Figures } from './rounds.js';
import type { Table } from './section.js';

/** The usual columns of a contestant. */
export function figuresTable(title: string, unit: string, rows: readonly (readonly [string, Figures])[]): Table {
  return {
    title,
    columns: ['', `${unit}/s`, 'CPU µs each', 'p50 ms', 'p99 ms'],
    rows: rows.map(([name, { rate, cpu, p50, p99 }]) => [name, rate, cpu, p50, p99]),
  };
}
