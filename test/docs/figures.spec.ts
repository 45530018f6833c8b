import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { root } from '../support/source.js';

type Results = Readonly<
  Record<
    string,
    { readonly tables: readonly { readonly title: string; readonly rows: readonly (string | number)[][] }[] }
  >
>;

const results = JSON.parse(readFileSync(`${root}bench/results.json`, 'utf8')) as Results;
const pages = ['README.md', 'docs/comparison.md'].map((path) => readFileSync(`${root}${path}`, 'utf8'));

/** The first figure of a contestant, rounded to two significant digits. */
function figure(section: string, title: string, contestant: string): string {
  const table = results[section]?.tables.find((each) => each.title === title);
  const row = table?.rows.find(([label]) => String(label).startsWith(contestant));
  if (typeof row?.[1] !== 'number') throw new Error(`results.json has no ${section}, ${title}, ${contestant}`);
  return Number(row[1].toPrecision(2)).toLocaleString('en-US');
}

describe('the measured figures in README.md and docs/comparison.md', () => {
  it.each([
    ['verify', '64 in flight', 'Sigra', 'TypeORM findOneBy', 'better-auth'],
    ['http', 'Fastify', 'Sigra, API token', 'passport', 'better-auth'],
    ['http', 'Express', 'Sigra, API token', 'passport', 'better-auth'],
    ['refresh', '', 'Sigra', 'TypeORM transaction', 'better-auth'],
  ])('equal those of bench/results.json: %s %s', (section, title, ...contestants) => {
    const figures = contestants.map((contestant) => figure(section, title, contestant));

    for (const page of pages) {
      const rows = page.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
      expect(rows.map((cells) => cells.slice(2, 5).join(' '))).toContain(figures.join(' '));
    }
  });
});
