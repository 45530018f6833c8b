/** A text from outside, made fit for a column: no longer than `length`, and without NUL, which PostgreSQL refuses. */
export function storableText(text: string, length: number): string {
  return text.slice(0, length).replaceAll('\0', '');
}

/** Room for any IPv6 address with its zone; what a proxy forwards can be as long as a header. */
export const MAX_IP_LENGTH = 64;
export const MAX_USER_AGENT_LENGTH = 1024;
