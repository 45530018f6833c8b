import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The six characters that a token with this beginning must end in, by the published format. */
export function checksumOf(text: string): string {
  let rest = crc32(text);
  let check = '';
  while (check.length < 6) {
    check = ALPHABET.charAt(rest % 62) + check;
    rest = Math.floor(rest / 62);
  }
  return check;
}

/** A well-formed token that nobody was ever given. */
export function unknownToken(prefix = 'sigra_sk_'): string {
  const secret = Array.from(randomBytes(43), (byte) => ALPHABET.charAt(byte % 62)).join('');
  return prefix + secret + checksumOf(prefix + secret);
}
