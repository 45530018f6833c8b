import { number } from './report.js';
import type { Chart } from './section.js';

type Bars = Extract<Chart, { kind: 'bars' }>;
type Lines = Extract<Chart, { kind: 'lines' }>;

const WIDTH = 760;
const FONT = 'system-ui, -apple-system, "Segoe UI", sans-serif';
/** Readable on white and on black, and distinguishable with red-green colour blindness. */
const COLOURS = ['#2f81f7', '#db6d28', '#8957e5', '#2da44e'];
const STYLE = `
  text { font: 13px ${FONT}; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .faint { fill: #59636e }
  .grid { stroke: #59636e; stroke-opacity: 0.25 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .faint { fill: #9198a1 }
    .grid { stroke: #9198a1 }
  }`;

/** A chart as a self-contained SVG file. */
export function renderChart(chart: Chart): string {
  const { height, body } = chart.kind === 'bars' ? bars(chart) : lines(chart);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(chart.title)}">`,
    `<style>${STYLE}\n</style>`,
    text(0, 18, chart.title, 'class="title"'),
    ...body,
    '</svg>\n',
  ].join('\n');
}

function bars({ bars: all, unit }: Bars): { height: number; body: string[] } {
  const left = 270;
  const room = WIDTH - left - 110;
  const most = Math.max(...all.map(({ value }) => value));
  const body = all.flatMap(({ label, value }, index) => {
    const y = 36 + index * 30;
    const width = Math.max(1, (value / most) * room);
    const colour = COLOURS[label.startsWith('Sigra') ? 0 : 1] ?? '';
    return [
      text(left - 10, y + 15, label, 'text-anchor="end"'),
      `<rect x="${left}" y="${y}" width="${round(width)}" height="20" rx="3" fill="${colour}"/>`,
      text(left + width + 8, y + 15, `${number(value)} ${unit}`, 'class="faint"'),
    ];
  });
  return { height: 36 + all.length * 30 + 6, body };
}

function lines({ x, xLabel, series, unit }: Lines): { height: number; body: string[] } {
  const [left, top, right, bottom] = [60, 40, WIDTH - 20, 280];
  const firstX = x[0] ?? 0;
  const lastX = x.at(-1) ?? 1;
  const most = Math.max(...series.flatMap(({ values }) => values)) * 1.1 || 1;
  const place = (value: number, at: number) => ({
    px: left + ((at - firstX) / (lastX - firstX || 1)) * (right - left),
    py: bottom - (value / most) * (bottom - top),
  });
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
    const y = bottom - part * (bottom - top);
    return [
      `<line class="grid" x1="${left}" x2="${right}" y1="${round(y)}" y2="${round(y)}"/>`,
      text(left - 8, y + 4, number(Math.round(most * part)), 'class="faint" text-anchor="end"'),
    ];
  });
  const drawn = series.flatMap(({ name, values }, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? '';
    const points = values.map((value, at) => place(value, x[at] ?? 0)).map(({ px, py }) => `${round(px)},${round(py)}`);
    const legend = left + index * 170;
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.join(' ')}"/>`,
      `<rect x="${legend}" y="314" width="12" height="12" rx="2" fill="${colour}"/>`,
      text(legend + 18, 325, name),
    ];
  });
  const axis = [
    text(left, 300, number(firstX), 'class="faint"'),
    text(right, 300, `${number(lastX)} ${xLabel}`, 'class="faint" text-anchor="end"'),
    text(right, 18, unit, 'class="faint" text-anchor="end"'),
  ];
  return { height: 336, body: [...grid, ...drawn, ...axis] };
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
