/** SQL of the time of the database, in milliseconds since 1970. */
export const DATABASE_TIME = `(extract(epoch FROM clock_timestamp())::numeric * 1000)::text`;

/** A larger difference is reported, in milliseconds. */
export const TOLERATED_CLOCK_DIFFERENCE = 1000;

/**
 * How far the clock of this machine is ahead of that of the database, in milliseconds; negative when it is behind. Both could have
 * the same time at any moment of the query, so that a slow answer is not a difference.
 *
 * @param before the time of this machine before the query, in milliseconds since 1970
 * @param answer the `DATABASE_TIME` of the query
 */
export function clockDifference(before: number, answer: string): number {
  const after = Date.now();
  const database = Number(answer);
  if (database < before) return before - database;
  return Math.min(after - database, 0);
}
