/** PostgreSQL rejects NUL. The driver replaces every half of a surrogate pair with the same character. */
const UNSTORABLE = /[\0\p{Cs}]/u;
const EVERY_UNSTORABLE = /[\0\p{Cs}]/gu;

/** Whether PostgreSQL can store a string unchanged. */
export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text);
}

/** Whether a string has more than `max` characters, counted as code points, as PostgreSQL counts them. */
export function isLongerThan(text: string, max: number): boolean {
  // A code point has one or two code units, so only a text of at most twice the length is counted.
  return text.length > 2 * max || (text.length > max && Array.from(text).length > max);
}

/** The part of a string that a column can store: its first `max` code units without NUL and lone surrogates. */
export function storablePart(text: string, max: number): string {
  return text.slice(0, max).replace(EVERY_UNSTORABLE, '');
}
