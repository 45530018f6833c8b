import { crc32 } from 'node:zlib';

export const TOKEN_PREFIX = 'sigra_sk_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * The raw form of token number `index`, from 1. Its secret is the number itself, so that PostgreSQL can create millions of
 * tokens (see `seed.ts`) and every process can compute them. The stored SHA-256 looks like any other.
 */
export function rawToken(index: number): string {
  const payload = TOKEN_PREFIX + String(index).padStart(43, '0');
  let rest = crc32(payload);
  let checksum = '';
  for (let place = 0; place < 6; place++) {
    checksum = ALPHABET.charAt(rest % 62) + checksum;
    rest = Math.floor(rest / 62);
  }
  return flat(payload + checksum);
}

/** V8 keeps concatenated strings in pieces until they are read; a string from HTTP is in one piece. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** The same as `rawToken`, in SQL. */
export function rawTokenSql(index: string): string {
  const payload = `'${TOKEN_PREFIX}' || lpad(${index}::text, 43, '0')`;
  const digits = [5, 4, 3, 2, 1, 0].map(
    (place) => `substr('${ALPHABET}', (crc32(convert_to(${payload}, 'UTF8')) / ${62 ** place} % 62)::int + 1, 1)`,
  );
  return `${payload} || ${digits.join(' || ')}`;
}

/** The id of user number `index`, from 1. */
export function userId(index: number): string {
  return `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`;
}

/** The same as `userId`, in SQL. */
export function userIdSql(index: string): string {
  return `'00000000-0000-4000-8000-' || lpad(to_hex(${index}), 12, '0')`;
}

/** Raw keys of better-auth, of the length that it generates. */
export function rawApiKey(index: number): string {
  return String(index).padStart(64, 'k');
}

export function rawApiKeySql(index: string): string {
  return `lpad(${index}::text, 64, 'k')`;
}

/** Random integers from 1 to `count`; the same sequence for the same `seed`. */
export function randomIndexes(length: number, count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) % count) + 1;
  });
}
