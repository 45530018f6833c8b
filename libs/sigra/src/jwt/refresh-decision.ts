import type { RefreshTokenState } from '../persistence/refresh-token.repository.js';
import type { RefreshFamilyRow } from '../persistence/tables.js';

/** The treatment of a presented refresh token. */
export type RefreshDecision =
  | { readonly kind: 'refuse'; readonly code: 'token_revoked' | 'token_expired'; readonly message: string }
  | { readonly kind: 'rotate' }
  /** The client lost an answer or sent the token twice: it gets the same successor again. */
  | { readonly kind: 'replay'; readonly sealedSuccessor: Buffer }
  | { readonly kind: 'reuse' };

/** Seconds. */
const LEAST_TOLERANCE = 5;

/**
 * Decides about a presented refresh token, from rows that were read under the family's lock. A consumed token is reuse
 * unless the leeway allows it, also in a family that has ended by a sign-out: a thief could sign out, so that the reuse is not
 * detected.
 *
 * @param leeway `jwt.reuseLeeway`, in seconds
 * @param tolerance `jwt.clockTolerance`, in seconds
 */
export function decideRefresh(
  family: RefreshFamilyRow,
  { token, child, currentEpoch, consumedFor }: RefreshTokenState,
  now: Date,
  leeway: number,
  tolerance: number,
): RefreshDecision {
  // Far below 0, the clock has been set back, and the time since then is not known.
  const earliest = -Math.max(tolerance, LEAST_TOLERANCE);
  const inTime = leeway > 0 && consumedFor !== null && consumedFor >= earliest && consumedFor < leeway;
  if (family.revokedAt) {
    const isKnown = family.revokeReason !== 'revoked' && family.revokeReason !== 'too_many_families';
    return isKnown || !token.consumedAt || inTime || family.absoluteExpiresAt <= now
      ? { kind: 'refuse', code: 'token_revoked', message: 'The family has been revoked.' }
      : { kind: 'reuse' };
  }
  if (family.epoch !== currentEpoch) {
    return { kind: 'refuse', code: 'token_revoked', message: 'The user has signed out everywhere.' };
  }
  if (family.absoluteExpiresAt <= now || token.expiresAt <= now) {
    return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
  }
  if (!token.consumedAt) return { kind: 'rotate' };
  const isUnused = child?.consumedAt === null;
  return inTime && isUnused && token.sealedSuccessor
    ? { kind: 'replay', sealedSuccessor: token.sealedSuccessor }
    : { kind: 'reuse' };
}
