import type { Chart, Demand, Findings } from '../harness/section.js';
import { fitLine, median } from '../harness/statistics.js';
import type { SoakLoad } from '../workers/soak-load.js';

/** One sample of the server. */
export interface Observation {
  /** Seconds since the start. */
  readonly at: number;
  /** MiB. */
  readonly rss: number;
  /** MiB after a garbage collection. */
  readonly heap: number;
  /** Delay of the event loop since the previous sample, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Connections to the database. */
  readonly connections: number;
}

type LoadResult = Awaited<ReturnType<SoakLoad['run']>>;

/** @param cpu what the server and its database used, in microseconds */
export function findingsOf(
  load: LoadResult,
  observations: readonly Observation[],
  seconds: number,
  cpu: { readonly server: number; readonly database: number },
): Findings {
  const answers = Object.values(load.answers).reduce((sum, count) => sum + count, 0);
  // The first fifth fills caches and compiles code.
  const judged = observations.filter(({ at }) => at >= seconds / 5);
  const rss = growth(judged, ({ rss: each }) => each);
  const heap = growth(judged, ({ heap: each }) => each);
  const minutes = Math.round((seconds * 0.8) / 6) / 10;
  const failures = load.errors + Object.values(load.unexpected).reduce((sum, count) => sum + count, 0);
  const flat = (what: string, { change, noise }: Growth): Demand => ({
    what: `growth of ${what} in the last ${minutes} minutes, relative to the noise of the samples`,
    bound: 'at most',
    limit: 1,
    unit: 'times',
    measured: Math.max(0, change) / noise,
  });
  return {
    demands: [
      flat('resident memory', rss),
      flat('the live heap', heap),
      {
        what: 'requests with an unexpected answer',
        bound: 'at most',
        limit: 0,
        unit: 'requests',
        measured: failures,
      },
    ],
    tables: [
      {
        title: 'Memory',
        columns: ['', 'mean MiB', `change in ${minutes} min, MiB`, 'noise MiB'],
        rows: [
          ['resident', rss.mean, rss.change, rss.noise],
          ['live heap', heap.mean, heap.change, heap.noise],
        ],
      },
      {
        title: 'Load',
        columns: ['requests', 'answers/s'],
        rows: [
          ...Object.entries(load.answers).map(([role, count]) => [role, count / load.seconds]),
          ['total', answers / load.seconds],
        ],
      },
      {
        title: 'Other figures',
        columns: ['', ''],
        rows: [
          ['CPU of the server for an answer, µs', cpu.server / answers],
          ['CPU of PostgreSQL for an answer, µs', cpu.database / answers],
          ['latency p50, ms', load.p50],
          ['latency p99, ms', load.p99],
          ['event-loop delay p50, median of samples, ms', median(judged.map(({ p50 }) => p50))],
          ['event-loop delay p99, median of samples, ms', median(judged.map(({ p99 }) => p99))],
          ['event-loop delay, maximum, ms', Math.max(...judged.map(({ max }) => max))],
          ['database connections, maximum', Math.max(...observations.map(({ connections }) => connections))],
          [
            'unexpected answers',
            Object.entries(load.unexpected)
              .map((each) => each.join(': '))
              .join(', ') || 'none',
          ],
        ],
      },
    ],
    charts: chartsOf(observations),
    notes: [
      'Change: that of the straight line through the last four fifths of the samples. Noise: two standard deviations of the ' +
        'samples from that line. The live heap is the heap after a garbage collection, which is forced after every sample.',
      '64 connections without pauses: API tokens, JWTs with `epoch`, sessions, refused requests (401 and 403), creation ' +
        'and revocation of tokens, rotation of refresh tokens. A use of a token is recorded if it is at least a second later ' +
        'than the one before. The event loop is saturated, which explains its delay.',
    ],
  };
}

interface Growth {
  readonly change: number;
  readonly noise: number;
  readonly mean: number;
}

function growth(observations: readonly Observation[], of: (observation: Observation) => number): Growth {
  const { slope, scatter, mean } = fitLine(observations.map((each) => ({ x: each.at, y: of(each) })));
  const span = (observations.at(-1)?.at ?? 0) - (observations[0]?.at ?? 0);
  return { change: slope * span, noise: 2 * scatter, mean };
}

function chartsOf(observations: readonly Observation[]): Chart[] {
  const x = observations.map(({ at }) => Math.round(at));
  return [
    {
      kind: 'lines',
      name: 'soak-memory',
      title: 'Memory under mixed load',
      unit: 'MiB',
      xLabel: 's',
      x,
      series: [
        { name: 'resident', values: observations.map(({ rss }) => rss) },
        { name: 'live heap', values: observations.map(({ heap }) => heap) },
      ],
    },
    {
      kind: 'lines',
      name: 'soak-event-loop',
      title: 'Delay of the event loop under mixed load',
      unit: 'ms',
      xLabel: 's',
      x,
      series: [
        { name: 'p50', values: observations.map(({ p50 }) => p50) },
        { name: 'p99', values: observations.map(({ p99 }) => p99) },
      ],
    },
  ];
}
