import type { RefreshFamilyRow, RefreshTokenState } from '../persistence/refresh-token.repository.js';

/** What becomes of a presented refresh token. */
export type RefreshDecision =
  | { readonly kind: 'refuse'; readonly code: 'token_revoked' | 'token_expired'; readonly message: string }
  | { readonly kind: 'rotate' }
  /** The client lost an answer, or asked twice: it gets the same successor again. */
  | { readonly kind: 'replay'; readonly sealedSuccessor: Buffer }
  | { readonly kind: 'reuse' };

/**
 * Decides, in this order and from rows that were read under the family's lock. A consumed token is reuse unless the
 * leeway says otherwise, but a family that is dead already cannot be killed again.
 */
export function decideRefresh(
  family: RefreshFamilyRow,
  token: RefreshTokenState,
  now: Date,
  leewaySeconds: number,
): RefreshDecision {
  if (family.revoked_at) return { kind: 'refuse', code: 'token_revoked', message: 'The sign-in has been revoked.' };
  if (family.epoch !== token.current_epoch) {
    return { kind: 'refuse', code: 'token_revoked', message: 'The user has signed out everywhere since.' };
  }
  if (family.absolute_expires_at <= now || token.expires_at <= now) {
    return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
  }
  if (!token.consumed_at) return { kind: 'rotate' };
  const age = now.getTime() - token.consumed_at.getTime();
  // Clocks of nodes differ, so an age can be negative; without a leeway not even that is forgiven.
  const inTime = leewaySeconds > 0 && age < leewaySeconds * 1000;
  const replayable = inTime && token.child_id !== null && token.child_consumed_at === null;
  return replayable && token.sealed_successor
    ? { kind: 'replay', sealedSuccessor: token.sealed_successor }
    : { kind: 'reuse' };
}
