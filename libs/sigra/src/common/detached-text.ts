/**
 * Copies a string that is kept for longer than what it was read from. V8 makes a part of a string without copying it, and
 * then keeps the whole in memory, such as the text of a row for an id in it.
 */
export function detached(text: string): string {
  // The part that is returned keeps only the sum, which V8 copies into one piece. A fifth of the time of a copy by way of a Buffer.
  return ` ${text}`.slice(1);
}
