/** The median; for an even number of values, the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** The quantile `fraction` of `values`, which it sorts in place. */
export function percentile(values: Float64Array, fraction: number): number {
  values.sort();
  return values[Math.min(values.length - 1, Math.ceil(values.length * fraction) - 1)] ?? NaN;
}

export interface Line {
  /** Change of y per unit of x. */
  readonly slope: number;
  /** Standard deviation of the points from the line. */
  readonly scatter: number;
  readonly mean: number;
}

/** The line of least squares through the points. */
export function fitLine(points: readonly { x: number; y: number }[]): Line {
  const count = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const squares = points.reduce((sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, scatter: Math.sqrt(squares / count), mean: meanY };
}
