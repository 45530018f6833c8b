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

const BYTEA_OID = 17;

/** SHA-256 hashes in hex as a `bytea[]` in PostgreSQL's binary format, which it reads much quicker than an array as text. */
export function byteaArray(hashes: readonly string[]): Buffer {
  const array = Buffer.allocUnsafe(20 + hashes.length * (4 + 32));
  // Dimensions, whether there are nulls, type of the elements; then the size of the one dimension and where it starts.
  let offset = 0;
  for (const field of [1, 0, BYTEA_OID, hashes.length, 1]) offset = array.writeInt32BE(field, offset);
  for (const hash of hashes) {
    offset = array.writeInt32BE(32, offset);
    offset += array.write(hash, offset, 'hex');
  }
  return array;
}
