/**
 * Copies a string that is kept for longer than what it was read from. V8 makes a part of a string without copying it, and
 * then keeps the whole in memory, such as the text of a row for an id in it.
 */
export function detached(text: string): string {
  return Buffer.from(text).toString();
}
