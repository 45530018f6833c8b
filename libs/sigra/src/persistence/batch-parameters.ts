/*
 * The keys of a batch as parameters of its query. The planner must not see how many they are: with dozens of them it would
 * spend more time on the plan than the query takes, and find it cheaper to read a small table from end to end.
 */

/**
 * The condition that a `bytea` column is one of the hashes in a parameter.
 *
 * @param parameter of which `hashArray` makes the value
 */
export function isOneOf(column: string, parameter: string): string {
  return `${column} = ANY (ARRAY(SELECT decode(hash, 'hex') FROM unnest(${parameter}::text[]) AS hash))`;
}

/** Arrays side by side as the rows of a table. */
export function unnestOf(...parameters: readonly string[]): string {
  return `unnest(${parameters.map((parameter) => `(SELECT ${parameter})`).join(', ')})`;
}

/** Hashes in hex as a `text[]` literal: without quotes, it is cheaper to make and to read than what the driver would. */
export function hashArray(hashes: readonly string[]): string {
  return `{${hashes.join(',')}}`;
}
