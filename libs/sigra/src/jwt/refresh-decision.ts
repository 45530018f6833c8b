import { endsWithinSecond } from '../common/clock.js';
import type { RefreshTokenState, RefreshTokenUse } from '../persistence/refresh-token.repository.js';
import type { RefreshFamilyRow } from '../persistence/tables.js';

/** The treatment of a presented refresh token. */
export type RefreshDecision =
  | {
      readonly kind: 'refuse';
      readonly code: 'invalid_token' | 'token_revoked' | 'token_expired';
      readonly message: string;
    }
  | { readonly kind: 'rotate' }
  /**
   * The client lost an answer, or several of its tabs refresh: it gets the token of the family that is unused. Each successor is
   * sealed with the token before it, the first one with the presented token.
   */
  | { readonly kind: 'replay'; readonly sealedSuccessors: readonly [Buffer, ...Buffer[]] }
  | { readonly kind: 'reuse' };

/** Seconds. */
const LEAST_TOLERANCE = 5;

/**
 * Decides about a presented refresh token, from rows that were read under the family's lock. A consumed token is reuse unless
 * it, and every consumed token after it, was consumed within the leeway: tabs that are restored together present tokens of
 * different ages. Reuse counts also in a family that has ended by a sign-out: a thief could sign out, so that the reuse is not
 * detected.
 *
 * @param leeway `jwt.reuseLeeway`, in seconds
 * @param tolerance `jwt.clockTolerance`, in seconds
 * @param dpopThumbprint the key of the client. Another key than the family's gets nothing, and ends nothing: who has only the token
 * could also revoke it. But a used token is reuse with every key: it can be from before the family had one, and a thief's key be
 * the family's
 */
export function decideRefresh(
  family: RefreshFamilyRow,
  { token, successors, currentEpoch, consumedFor }: RefreshTokenState,
  now: Date,
  leeway: number,
  tolerance: number,
  dpopThumbprint?: string,
): RefreshDecision {
  // Far below 0, the clock has been set back, and the time since then is not known.
  const earliest = -Math.max(tolerance, LEAST_TOLERANCE);
  const isInTime = ({ consumedFor }: Pick<RefreshTokenUse, 'consumedFor'>) =>
    leeway > 0 && consumedFor !== null && consumedFor >= earliest && consumedFor < leeway;
  if (family.revokedAt) {
    const isKnown = family.revokeReason !== 'revoked' && family.revokeReason !== 'too_many_families';
    return isKnown || !token.consumedAt || isInTime({ consumedFor }) || family.absoluteExpiresAt <= now
      ? { kind: 'refuse', code: 'token_revoked', message: 'The family has been revoked.' }
      : { kind: 'reuse' };
  }
  if (family.epoch !== currentEpoch) {
    return { kind: 'refuse', code: 'token_revoked', message: 'The user has signed out everywhere.' };
  }
  if (endsWithinSecond(family.absoluteExpiresAt, now) || token.expiresAt <= now) {
    return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
  }
  const isHolder = holdsFamily(family, dpopThumbprint);
  if (!token.consumedAt) return isHolder ? { kind: 'rotate' } : WRONG_KEY;
  const last = successors.at(-1)?.token;
  const consumed = [{ token, consumedFor }, ...successors.slice(0, -1)];
  const sealed = consumed.flatMap((use) => (isInTime(use) ? (use.token.sealedSuccessor ?? []) : []));
  const [first, ...others] = sealed;
  if (!first || sealed.length < consumed.length || !last || last.consumedAt) return { kind: 'reuse' };
  if (last.expiresAt <= now)
    return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
  return isHolder ? { kind: 'replay', sealedSuccessors: [first, ...others] } : WRONG_KEY;
}

const WRONG_KEY: RefreshDecision = {
  kind: 'refuse',
  code: 'invalid_token',
  message: 'The refresh token is bound to another key.',
};

/** Whether a client with this key, or with none, can use the tokens of a family. Every key can use a family without one. */
export function holdsFamily(
  { dpopThumbprint: bound }: Pick<RefreshFamilyRow, 'dpopThumbprint'>,
  presented: string | undefined,
): boolean {
  return bound === null || bound === presented;
}
