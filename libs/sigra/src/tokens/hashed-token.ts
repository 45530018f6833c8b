import { Buffer } from 'node:buffer';
import { MAX_TIME } from '../common/clock.js';
import { DIGEST_BYTES, type ForeignFormat } from '../common/foreign-formats.js';
import { SigraError } from '../common/sigra-error.js';
import type { OwnerRef } from '../persistence/owner-directories.js';
import type { RequestedProperties } from './token-properties.js';

/** A token of another system. Only its hash is known. */
export interface HashedToken extends RequestedProperties {
  /** The name of its format in `apiTokens.foreignFormats`. */
  readonly format: string;
  /**
   * The digest that the other system has stored: bytes, or, of SHA-256 and SHA-512, a string in hex, base64 or base64url, with or
   * without padding.
   */
  readonly hash: Uint8Array | string;
  /** The owner: a user of the application, its id, or another owner as `ownerRef()` names it. */
  readonly owner: OwnerRef;
  /**
   * Characters that the other system shows to tell the token from others, such as its first ones: at most 16 visible ASCII
   * characters. @default none
   */
  readonly hint?: string | null | undefined;
  /** The token is rejected from this time on. @default never */
  readonly expiresAt?: Date | null | undefined;
  /** When the other system has created the token. @default the time of the import */
  readonly createdAt?: Date | null | undefined;
  /** When the token was used last. @default never */
  readonly lastUsedAt?: Date | null | undefined;
}

/** In characters. The hints of other tokens are shorter. */
export const MAX_HINT_LENGTH = 16;
const HINT = new RegExp(`^[\\x21-\\x7e]{0,${MAX_HINT_LENGTH}}$`);
/** In bytes. Shorter digests can be guessed; longer ones are not digests. */
const [MIN_DIGEST, MAX_DIGEST] = [16, 128];
const ENCODINGS = ['hex', 'base64', 'base64url'] as const;

/**
 * Reads the digest of another system.
 *
 * @throws SigraError `invalid_import`
 */
export function parseDigest(given: unknown, { digest }: ForeignFormat): Uint8Array {
  const length = typeof digest === 'string' ? DIGEST_BYTES[digest] : undefined;
  const bytes = typeof given === 'string' && length !== undefined ? decode(given, length) : given;
  const isLong = (size: number) => (length === undefined ? size >= MIN_DIGEST && size <= MAX_DIGEST : size === length);
  if (bytes instanceof Uint8Array && isLong(bytes.length)) return bytes;
  throw invalid(
    length === undefined
      ? `The hash must be ${MIN_DIGEST} to ${MAX_DIGEST} bytes.`
      : `The hash must be ${length} bytes, or a string of them in hex, base64 or base64url.`,
  );
}

/** Decodes a string whose one encoding follows from its length. */
function decode(given: string, length: number): Uint8Array | undefined {
  const plain = given.replace(/=+$/, '');
  return ENCODINGS.map((encoding) => ({ encoding, bytes: Buffer.from(plain, encoding) })).find(
    ({ encoding, bytes }) =>
      bytes.length === length &&
      // Node ignores characters that an encoding does not have.
      bytes.toString(encoding).replace(/=+$/, '') === (encoding === 'hex' ? plain.toLowerCase() : plain),
  )?.bytes;
}

/** Whether a value can be the `hint` of a row. */
export function isHint(value: unknown): value is string {
  return typeof value === 'string' && HINT.test(value);
}

/** @throws SigraError `invalid_import` */
export function parseHint(hint: unknown): string {
  if (hint === undefined || hint === null) return '';
  if (isHint(hint)) return hint;
  throw invalid(`The hint must be at most ${MAX_HINT_LENGTH} visible ASCII characters.`);
}

/** @throws SigraError `invalid_expiry` */
export function parseImportedExpiry(expiresAt: unknown): Date | null {
  if (expiresAt === undefined || expiresAt === null) return null;
  if (isTime(expiresAt)) return new Date(expiresAt);
  throw new SigraError('invalid_expiry', 'The expiry is not a valid date.');
}

/** Reads a time that is over. @throws SigraError `invalid_import` */
export function parsePast(property: 'createdAt' | 'lastUsedAt', given: unknown, now: Date): Date | null {
  if (given === undefined || given === null) return null;
  if (isTime(given) && given <= now) return new Date(given);
  throw invalid(`${property} must be a date that is not in the future.`);
}

export function invalid(message: string): SigraError {
  return new SigraError('invalid_import', message);
}

function isTime(value: unknown): value is Date {
  return value instanceof Date && value.getTime() >= 0 && value.getTime() <= MAX_TIME;
}
