import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The six checksum characters that follow `text` in an API token. Computed from the published format alone. */
export function checksumOf(text: string): string {
  let rest = crc32(text);
  let checksum = '';
  while (checksum.length < 6) {
    checksum = BASE62.charAt(rest % 62) + checksum;
    rest = Math.floor(rest / 62);
  }
  return checksum;
}

/**
 * A well-formed API token that was never issued, as an attacker who knows the format would make it.
 *
 * @param random an integer from 0 to below its argument
 */
export function unknownToken(random: (bound: number) => number = randomInt): string {
  const secret = Array.from({ length: 43 }, () => BASE62.charAt(random(62))).join('');
  return `sigra_sk_${secret}${checksumOf(`sigra_sk_${secret}`)}`;
}
