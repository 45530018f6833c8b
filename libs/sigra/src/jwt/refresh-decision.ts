import { admitsIp } from '../common/allowed-ips.js';
import { endsWithinSecond } from '../common/clock.js';
import type { RefreshTokenState, RefreshTokenUse } from '../persistence/refresh-token.repository.js';
import type { RefreshFamilyRow } from '../persistence/tables.js';

/** Nothing is written. */
interface Refusal {
  readonly kind: 'refuse';
  readonly code: 'invalid_token' | 'token_revoked' | 'token_expired';
  readonly message: string;
}

/** The client that presents a refresh token. */
export interface RefreshClient {
  /** The thumbprint of its key; undefined for a bearer. */
  readonly dpopThumbprint?: string | undefined;
  /** Undefined when it is not known. */
  readonly ipAddress?: string | undefined;
}

/** The treatment of a presented refresh token. */
export type RefreshDecision =
  | Refusal
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
 * Decides about a presented refresh token, from rows that were read under the family's lock. A consumed token is reuse
 * unless it, and every consumed token after it, was consumed within the leeway: tabs that are restored together present
 * tokens of different ages. Reuse is reported also when the family or the token has ended meanwhile. Otherwise a thief could
 * hide it by a sign-out, while credentials that the family made can be in use until the family's absolute end.
 *
 * @param leeway `jwt.reuseLeeway`, in seconds
 * @param tolerance `jwt.clockTolerance`, in seconds
 * @param client a key that is not the family's, and an address that the family is not accepted from, get no tokens and do
 * not end the family: a thief who has only the token could end it by a revocation, too. But a consumed token is reuse with
 * every key and from every address: it can be older than the family's key, and that key can be the thief's
 */
export function decideRefresh(
  family: RefreshFamilyRow,
  state: RefreshTokenState,
  now: Date,
  leeway: number,
  tolerance: number,
  client: RefreshClient = {},
): RefreshDecision {
  const { token, successors, currentEpoch } = state;
  const sealedSuccessors = token.consumedAt ? sealedWithin(state, leeway, tolerance) : undefined;
  const isOver = endsWithinSecond(family.absoluteExpiresAt, now);
  const isReuse = token.consumedAt !== null && !sealedSuccessors;
  // Reuse is recorded once, and not after the absolute end: everything that the family made has ended, and clean-up deletes
  // its tokens.
  if (isReuse && !isOver && family.revokeReason !== 'reuse_detected') return { kind: 'reuse' };
  if (family.revokedAt) return refused('token_revoked', 'The family has been revoked.');
  if (family.epoch !== currentEpoch) return refused('token_revoked', 'The user has signed out everywhere.');
  const unused = successors.at(-1)?.token ?? token;
  if (isOver || unused.expiresAt <= now) return refused('token_expired', 'The refresh token has expired.');
  if (!mayRefresh(family, client))
    return refused('invalid_token', 'The refresh token is bound to another key, or to other addresses.');
  return sealedSuccessors ? { kind: 'replay', sealedSuccessors } : { kind: 'rotate' };
}

/**
 * The sealed successors of a consumed token up to the unused one; undefined unless all of them were consumed within the
 * leeway.
 */
function sealedWithin(
  { token, consumedFor, successors }: RefreshTokenState,
  leeway: number,
  tolerance: number,
): readonly [Buffer, ...Buffer[]] | undefined {
  // Far below 0, the clock has been set back, and the time since then is not known.
  const earliest = -Math.max(tolerance, LEAST_TOLERANCE);
  const isInTime = ({ consumedFor }: RefreshTokenUse) =>
    leeway > 0 && consumedFor !== null && consumedFor >= earliest && consumedFor < leeway;
  const last = successors.at(-1)?.token;
  const consumed = [{ token, consumedFor }, ...successors.slice(0, -1)];
  const sealed = consumed.flatMap((use) => (isInTime(use) ? (use.token.sealedSuccessor ?? []) : []));
  const [first, ...others] = sealed;
  return first && sealed.length === consumed.length && last && !last.consumedAt ? [first, ...others] : undefined;
}

function refused(code: Refusal['code'], message: string): Refusal {
  return { kind: 'refuse', code, message };
}

/** Whether a client can use the tokens of a family. Every key can use a family without one. */
export function mayRefresh(
  { dpopThumbprint: bound, allowedIps }: Pick<RefreshFamilyRow, 'dpopThumbprint' | 'allowedIps'>,
  { dpopThumbprint, ipAddress }: RefreshClient,
): boolean {
  return (bound === null || bound === dpopThumbprint) && admitsIp(allowedIps, ipAddress);
}
