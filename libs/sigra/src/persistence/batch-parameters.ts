/*
 * The keys of a batch as parameters of its query. The planner must not see how many they are: with dozens of them it would
 * spend more time on the plan than the query takes, and find it cheaper to read a small table from end to end.
 */

/**
 * The condition that a `bytea` column is one of the hashes in a parameter.
 *
 * @param parameter of which `byteaArray` makes the value
 */
export function isOneOf(column: string, parameter: string): string {
  return `${column} = ANY (ARRAY(SELECT unnest(${parameter}::bytea[])))`;
}

/** Arrays side by side as the rows of a table. */
export function unnestOf(...parameters: readonly string[]): string {
  return `unnest(${parameters.map((parameter) => `(SELECT ${parameter})`).join(', ')})`;
}

/** Bytes in hex as a `bytea[]` literal: cheaper than the driver's own conversion of every element. */
export function byteaArray(hashes: readonly string[]): string {
  return `{${hashes.map((hash) => `"\\\\x${hash}"`).join(',')}}`;
}
