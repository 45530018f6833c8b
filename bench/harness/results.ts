import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { renderChart } from './chart.js';
import { renderReport } from './report.js';
import type { Section } from './section.js';

const BENCH = new URL('../', import.meta.url);

/**
 * Stores a section in `results.json`, replaces its previous version, and renders everything. A quick run writes to
 * `bench/.quick`, which is not committed.
 *
 * @param order the order of all sections
 */
export async function keepSection(name: string, section: Section, order: readonly string[]): Promise<URL> {
  const folder = section.quick ? new URL('.quick/', BENCH) : BENCH;
  const file = new URL('results.json', folder);
  await mkdir(new URL('charts/', folder), { recursive: true });
  const known = JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as Record<string, Section>;
  const all = { ...known, [name]: section };
  const sections = Object.fromEntries(order.flatMap((each) => (all[each] ? [[each, all[each]]] : [])));

  await writeFile(file, `${JSON.stringify(sections, null, 2)}\n`);
  const report = new URL('RESULTS.md', folder);
  const profile = await readFile(new URL('PROFILE.md', BENCH), 'utf8');
  await writeFile(report, `${renderReport(sections, profile)}\n`);
  for (const chart of Object.values(sections).flatMap(({ charts }) => charts)) {
    await writeFile(new URL(`charts/${chart.name}.svg`, folder), renderChart(chart));
  }
  return report;
}
