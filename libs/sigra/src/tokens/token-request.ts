import { SigraError } from '../common/sigra-error.js';
import type { SigraConfig } from '../config/sigra-config.js';

const MAX_NAME_LENGTH = 255;
const MAX_GRACE_SECONDS = 2_592_000;
// PostgreSQL stores no NUL and no half of a surrogate pair, and no other control character belongs on a page.
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u;

/** @throws SigraError `name_required`, `name_too_long`, `invalid_name` */
export function parseName(name: unknown): string {
  const trimmed = typeof name === 'string' ? name.trim() : '';
  if (trimmed === '') throw new SigraError('name_required', 'Give the token a name.');
  // Counted as PostgreSQL counts: by code point.
  if (trimmed.length > MAX_NAME_LENGTH && Array.from(trimmed).length > MAX_NAME_LENGTH) {
    throw new SigraError('name_too_long', `A name has at most ${MAX_NAME_LENGTH} characters.`);
  }
  if (UNPRINTABLE.test(trimmed)) throw new SigraError('invalid_name', 'A name has no control characters.');
  return trimmed;
}

/** @throws SigraError `expiry_required`, `invalid_expiry`, `expiry_in_past`, `ttl_exceeded` */
export function parseExpiry(expiresAt: unknown, now: Date, rules: SigraConfig['apiTokens']): Date | null {
  if (expiresAt === undefined || expiresAt === null) {
    if (rules.requireExpiry) throw new SigraError('expiry_required', 'Say when the token expires.');
    if (rules.maxTtl === undefined) return null;
    throw new SigraError('ttl_exceeded', `A token lives at most ${rules.maxTtl} seconds; say when it expires.`);
  }
  if (!(expiresAt instanceof Date) || !(expiresAt.getTime() <= MAX_TIME)) {
    throw new SigraError('invalid_expiry', 'The time of expiry is not a valid date.');
  }
  if (expiresAt <= now) throw new SigraError('expiry_in_past', 'The time of expiry has passed.');
  if (rules.maxTtl !== undefined && expiresAt.getTime() - now.getTime() > rules.maxTtl * 1000) {
    throw new SigraError('ttl_exceeded', `A token lives at most ${rules.maxTtl} seconds.`);
  }
  return new Date(expiresAt);
}

/** The last instant of the year 9999. */
const MAX_TIME = 253_402_300_799_999;

/** @throws SigraError `invalid_grace` */
export function parseGrace(graceSeconds: unknown = 0): number {
  const whole = typeof graceSeconds === 'number' && Number.isInteger(graceSeconds);
  if (!whole || graceSeconds < 0 || graceSeconds > MAX_GRACE_SECONDS) {
    throw new SigraError('invalid_grace', `graceSeconds is a whole number from 0 to ${MAX_GRACE_SECONDS}.`);
  }
  return graceSeconds;
}
