import { crc32 } from 'node:zlib';
import { encodeUint32, isBase62 } from './base62.js';
import { generateSecret, SECRET_LENGTH } from './secret.js';

const CHECKSUM_LENGTH = 6;
const BODY_LENGTH = SECRET_LENGTH + CHECKSUM_LENGTH;
const HINT_LENGTH = 4;
/** The most characters of a prefix. */
export const MAX_PREFIX_LENGTH = 32;

/** The default of `apiTokens.prefix`. */
export const DEFAULT_PREFIX = 'sigra_sk_';
/** The prefix of refresh tokens. The configuration rejects it for API tokens. */
export const REFRESH_TOKEN_PREFIX = 'sigra_rt_';
/** The beginning of every JWT: `{"` in base64url. */
const JWT_START = 'eyJ';

/** Creates a raw token: prefix, 256 random bits, and a checksum over both. */
export function mintRawToken(prefix: string): string {
  const payload = prefix + generateSecret();
  return payload + checksum(payload);
}

/** The prefix that a string has if it is a raw token. */
export function prefixOf(rawToken: string): string {
  // Longer strings are not hashed in a lookup.
  return rawToken.length > MAX_PREFIX_LENGTH + BODY_LENGTH ? '' : rawToken.slice(0, -BODY_LENGTH);
}

/**
 * Whether a string has the format of a token with this prefix. Rejects typos, truncated copies and guesses without a query.
 */
export function isWellFormed(rawToken: string, prefix: string): boolean {
  if (rawToken.length !== prefix.length + BODY_LENGTH || !rawToken.startsWith(prefix)) return false;
  if (!isBase62(rawToken, prefix.length)) return false;
  const end = rawToken.length - CHECKSUM_LENGTH;
  return checksum(rawToken.slice(0, end)) === rawToken.slice(end);
}

/** Creates a raw refresh token: the format of API tokens, with the prefix of refresh tokens. */
export function mintRefreshToken(): string {
  return mintRawToken(REFRESH_TOKEN_PREFIX);
}

/** Whether a value has the format of a refresh token. */
export function isRefreshToken(value: unknown): value is string {
  return typeof value === 'string' && isWellFormed(value, REFRESH_TOKEN_PREFIX);
}

/** Whether a credential begins like a JWT. */
export function looksLikeJwt(credential: string): boolean {
  return credential.startsWith(JWT_START);
}

/** Whether a token with this prefix can begin like a JWT. Ignores case. */
export function collidesWithJwt(prefix: string): boolean {
  return JWT_START.toLowerCase().startsWith(prefix.toLowerCase().slice(0, JWT_START.length));
}

/** The first characters after the prefix, for display: they distinguish a token from others. */
export function hintOf(rawToken: string, prefix: string): string {
  return rawToken.slice(prefix.length, prefix.length + HINT_LENGTH);
}

/**
 * Makes a regular expression that finds raw tokens in text, for secret scanners and log filters.
 *
 * @param prefix the configured `apiTokens.prefix`, or that of a kind. @default 'sigra_sk_'
 * @param others those of other kinds, and of `acceptPrefixes`. @default none
 */
export function tokenPattern(prefix = DEFAULT_PREFIX, ...others: readonly string[]): RegExp {
  const prefixes = others.length === 0 ? prefix : `(?:${[prefix, ...others].join('|')})`;
  return new RegExp(`(?<![0-9A-Za-z_])${prefixes}[0-9A-Za-z]{${BODY_LENGTH}}(?![0-9A-Za-z_])`);
}

function checksum(payload: string): string {
  return encodeUint32(crc32(payload));
}
