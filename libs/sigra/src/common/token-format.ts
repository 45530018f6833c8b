import { crc32 } from 'node:zlib';
import { encodeUint32, isBase62 } from './base62.js';
import { generateSecret, SECRET_LENGTH } from './secret.js';

const CHECKSUM_LENGTH = 6;
const BODY_LENGTH = SECRET_LENGTH + CHECKSUM_LENGTH;
const HINT_LENGTH = 4;

/** A new raw token: prefix, 256 random bits, and a checksum over both. */
export function mintRawToken(prefix: string): string {
  const payload = prefix + generateSecret();
  return payload + checksum(payload);
}

/**
 * Whether a text can be a token of this prefix at all. A typo, a truncated copy or a scanner's guess is told from a
 * token here, without asking the database.
 */
export function isWellFormed(rawToken: string, prefix: string): boolean {
  if (rawToken.length !== prefix.length + BODY_LENGTH || !rawToken.startsWith(prefix)) return false;
  if (!isBase62(rawToken, prefix.length)) return false;
  const end = rawToken.length - CHECKSUM_LENGTH;
  return checksum(rawToken.slice(0, end)) === rawToken.slice(end);
}

/** The characters that are shown of a token, to tell it from others. */
export function hintOf(rawToken: string, prefix: string): string {
  return rawToken.slice(prefix.length, prefix.length + HINT_LENGTH);
}

/**
 * A regular expression that finds raw tokens in text, for secret scanners and log filters.
 *
 * @param prefix the configured prefix
 */
export function tokenPattern(prefix = 'sigra_sk_'): RegExp {
  return new RegExp(`(?<![0-9A-Za-z_])${prefix}[0-9A-Za-z]{${BODY_LENGTH}}(?![0-9A-Za-z_])`);
}

function checksum(payload: string): string {
  return encodeUint32(crc32(payload));
}
