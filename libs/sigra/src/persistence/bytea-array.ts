/** Bytes in hex as a `bytea[]` literal: cheaper than the driver's own conversion of every element. */
export function byteaArray(hashes: readonly string[]): string {
  return `{${hashes.map((hash) => `"\\\\x${hash}"`).join(',')}}`;
}
