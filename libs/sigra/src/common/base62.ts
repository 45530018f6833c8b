const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = 62;

/** Encodes big-endian bytes as base62, left-padded with `0` to `length` characters. */
export function encodeBytes(bytes: Uint8Array, length: number): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  while (value > 0n) {
    text = ALPHABET.charAt(Number(value % 62n)) + text;
    value /= 62n;
  }
  return text.padStart(length, '0');
}

/** Encodes an unsigned 32-bit integer as six base62 characters. */
export function encodeUint32(value: number): string {
  let rest = value;
  let text = '';
  for (let place = 0; place < 6; place++) {
    text = ALPHABET.charAt(rest % BASE) + text;
    rest = Math.floor(rest / BASE);
  }
  return text;
}

/**
 * Whether every character from `start` on is one of `0-9A-Za-z`. A loop, because a regular expression is slower on
 * every request.
 */
export function isBase62(text: string, start: number): boolean {
  for (let index = start; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const digit = code >= 48 && code <= 57;
    const upper = code >= 65 && code <= 90;
    const lower = code >= 97 && code <= 122;
    if (!digit && !upper && !lower) return false;
  }
  return true;
}
