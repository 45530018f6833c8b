import {
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';

/** How often an operation ran in this process, and how often it was refused with which code. */
export interface OperationFigures {
  /** The value of `sigra.operation`, such as `api_token.verify`. */
  readonly name: string;
  readonly succeeded: number;
  readonly refused: readonly { readonly code: string; readonly count: number }[];
}

/** A histogram of all values of a metric. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  /** The values up to each boundary; the last bucket has none. */
  readonly buckets: readonly { readonly upTo: number | undefined; readonly count: number }[];
}

/** The operations of this process, from `sigra.verifications` and `sigra.operation.duration`. */
export function operationsIn(metrics: ResourceMetrics): OperationFigures[] {
  const counts = [
    ...sumsOf(metrics, 'sigra.verifications'),
    ...histogramsOf(metrics, 'sigra.operation.duration').map((point) => ({ ...point, value: point.value.count })),
  ];
  const figures = new Map<string, { succeeded: number; refused: { code: string; count: number }[] }>();
  for (const { attributes, value } of counts) {
    const name = String(attributes['sigra.operation']);
    const code = attributes['error.type'];
    const figure = figures.get(name) ?? { succeeded: 0, refused: [] };
    figures.set(name, figure);
    if (code === undefined) figure.succeeded += value;
    else figure.refused.push({ code: String(code), count: value });
  }
  return [...figures].map(([name, figure]) => ({ name, ...figure })).sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * The distribution of a histogram.
 *
 * @param where attributes that its series must have
 * @returns undefined before the first value
 */
export function distributionOf(
  metrics: ResourceMetrics,
  name: string,
  where: Readonly<Record<string, string>>,
): Distribution | undefined {
  const series = histogramsOf(metrics, name).filter(({ attributes }) =>
    Object.entries(where).every(([attribute, value]) => attributes[attribute] === value),
  );
  const [first] = series;
  if (!first) return undefined;
  const { boundaries, counts } = first.value.buckets;
  const sum = series.reduce((total, { value }) => total + (value.sum ?? 0), 0);
  const count = series.reduce((total, { value }) => total + value.count, 0);
  const buckets = counts.map((_, index) => ({
    upTo: boundaries[index],
    count: series.reduce((total, { value }) => total + (value.buckets.counts[index] ?? 0), 0),
  }));
  return { count, mean: sum / count, buckets };
}

function sumsOf(metrics: ResourceMetrics, name: string): DataPoint<number>[] {
  return named(metrics, name).flatMap((metric) =>
    metric.dataPointType === DataPointType.SUM ? metric.dataPoints : [],
  );
}

function histogramsOf(metrics: ResourceMetrics, name: string): DataPoint<Histogram>[] {
  return named(metrics, name).flatMap((metric) =>
    metric.dataPointType === DataPointType.HISTOGRAM ? metric.dataPoints : [],
  );
}

function named({ scopeMetrics }: ResourceMetrics, name: string): MetricData[] {
  return scopeMetrics.flatMap(({ metrics }) => metrics).filter(({ descriptor }) => descriptor.name === name);
}
