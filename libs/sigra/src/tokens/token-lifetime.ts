import { earliest, later, MAX_TIME } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import type { TokenRules } from '../common/token-kinds.js';
import type { ApiToken } from '../persistence/tables.js';

const MAX_GRACE_SECONDS = 2_592_000;

/**
 * Checks an expiry.
 *
 * @param makerEndsAt the end of the credential that makes the token, which the token does not outlive. It is the expiry of a
 * token that is requested without one, where the rules allow that
 * @throws SigraError `expiry_required`, `invalid_expiry`, `expiry_in_past`, `ttl_exceeded`
 */
export function parseExpiry(
  expiresAt: unknown,
  now: Date,
  rules: TokenRules,
  makerEndsAt: Date | null = null,
): Date | null {
  if (expiresAt === undefined || expiresAt === null) {
    if (rules.requireExpiry) throw new SigraError('expiry_required', 'A token needs an expiry.');
    if (rules.maxTtl === undefined) return makerEndsAt;
    throw new SigraError('ttl_exceeded', `A token needs an expiry at most ${rules.maxTtl} seconds away.`);
  }
  if (!(expiresAt instanceof Date) || !(expiresAt.getTime() <= MAX_TIME)) {
    throw new SigraError('invalid_expiry', 'The expiry is not a valid date.');
  }
  if (expiresAt <= now) throw new SigraError('expiry_in_past', 'The expiry is in the past.');
  if (rules.maxTtl !== undefined && expiresAt.getTime() - now.getTime() > rules.maxTtl * 1000) {
    throw new SigraError('ttl_exceeded', `The expiry is more than ${rules.maxTtl} seconds away.`);
  }
  if (makerEndsAt && expiresAt > makerEndsAt) {
    throw new SigraError('ttl_exceeded', 'The expiry is later than that of the credential that makes the token.');
  }
  return new Date(expiresAt);
}

/** Checks a grace period, in seconds. @throws SigraError `invalid_grace` */
export function parseGrace(graceSeconds: unknown = 0): number {
  const isInteger = typeof graceSeconds === 'number' && Number.isInteger(graceSeconds);
  if (!isInteger || graceSeconds < 0 || graceSeconds > MAX_GRACE_SECONDS) {
    throw new SigraError('invalid_grace', `graceSeconds must be an integer from 0 to ${MAX_GRACE_SECONDS}.`);
  }
  return graceSeconds;
}

/**
 * The expiry that a new token is requested with: the default, if none is given.
 *
 * @param endsAt the end of the credential that makes the token
 */
export function requestedExpiry(
  expiresAt: Date | null | undefined,
  now: Date,
  { defaultTtl }: TokenRules,
  endsAt: Date | null,
): Date | null | undefined {
  if (expiresAt !== undefined || defaultTtl === undefined) return expiresAt;
  return earliest(later(now, defaultTtl), endsAt);
}

/**
 * The expiry of a successor: the lifetime survives rotation. A token without an expiry gets the longest lifetime that is
 * allowed now.
 */
export function sameLifetime(
  { expiresAt, createdAt }: Pick<ApiToken, 'expiresAt' | 'createdAt'>,
  now: Date,
  maxTtl = Infinity,
): Date | null {
  const ttl = expiresAt ? (expiresAt.getTime() - createdAt.getTime()) / 1000 : Infinity;
  const allowed = Math.min(ttl, maxTtl);
  return allowed === Infinity ? null : later(now, allowed);
}

/** The time of an expiry in the properties of a request. Without one, it depends on the options; null means never. */
export function timeOf(expiresAt: Date | null | undefined): number | string | null {
  if (expiresAt === undefined) return 'default';
  return expiresAt instanceof Date ? expiresAt.getTime() : null;
}
