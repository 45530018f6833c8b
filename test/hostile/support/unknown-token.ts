import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A token as an attacker makes it up who knows the format: prefix, length, alphabet and checksum are right. */
export function unknownToken(random: (bound: number) => number = randomInt): string {
  let payload = 'sigra_sk_';
  for (let place = 0; place < 43; place++) payload += BASE62.charAt(random(62));
  let checksum = '';
  for (let rest = crc32(payload); checksum.length < 6; rest = Math.floor(rest / 62)) {
    checksum = BASE62.charAt(rest % 62) + checksum;
  }
  return payload + checksum;
}
