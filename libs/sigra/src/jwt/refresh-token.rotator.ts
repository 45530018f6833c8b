import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { JwtAuditAction, NewAuditEvent } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, earliest, endsWithinSecond, later } from '../common/clock.js';
import { Deadline } from '../common/deadline.js';
import { seal, unseal } from '../common/sealing.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { isRefreshToken, mintRefreshToken } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { LineageRevoker } from '../owners/lineage.revoker.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { isLostRace, sqlState } from '../persistence/database-error.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { type RefreshTokenOfFamily, RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { ownerOf, type RefreshFamilyRow } from '../persistence/tables.js';
import { parseScopes, ScopeRegistry } from '../scopes/scope-registry.js';
import { jwtChannels, refreshReuseDetected } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner, ofFamily } from './access-token.signer.js';
import { enabledJwt } from './enabled-jwt.js';
import { decideRefresh, mayRefresh, type RefreshClient, type RefreshDecision } from './refresh-decision.js';
import { type TokenBinding, thumbprintIn } from './token-binding.js';
import { type TokenPair, tokenPair } from './token-pair.js';

/** The options of a refresh. */
export interface RefreshRequest extends TokenBinding {
  /** The scopes of the new access token: a subset of the family's, at most 256. @default all scopes of the family */
  readonly scopes?: readonly string[] | undefined;
}

/** The outcome of a transaction that has committed. */
type RefreshOutcome =
  | { readonly kind: 'issued'; readonly pair: TokenPair }
  | { readonly kind: 'reuse'; readonly isComplete: boolean }
  | Extract<RefreshDecision, { kind: 'refuse' }>;

/** The outcome of a transaction after which more has to be done. */
type Undecided = { readonly kind: 'suspected' } | { readonly kind: 'replayed'; readonly refreshToken: string };

/** A presented token and its request, read before any lock is taken. */
interface Presented extends RefreshTokenOfFamily {
  readonly rawToken: string;
  /** The scopes of the family that the user can have now. */
  readonly granted: readonly string[];
  readonly requestedScopes: readonly string[] | undefined;
  readonly client: RefreshClient;
  /**
   * Narrows the scopes and signs the access token, once. Not before it is known that the token is not reused, and not while
   * a lock is held, because the signer of the application can take long.
   */
  readonly prepare: () => Promise<PairWith>;
  readonly caller: Caller;
}

/** Adds the refresh token to a signed access token. */
type PairWith = (refreshToken: string) => TokenPair;

/** Rotates refresh tokens, one at a time per family, with the isolation level READ COMMITTED. */
@Injectable()
export class RefreshTokenRotator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly families: RefreshFamilyRepository,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly ceiling: ScopeCeiling,
    private readonly scopes: ScopeRegistry,
    private readonly lineage: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  /** Exchanges a refresh token for a new pair. See `SigraJwtService.refresh`. */
  async refresh(rawToken: string, request: RefreshRequest, caller: Caller): Promise<TokenPair> {
    // Set when the token is found.
    const trace: { userId?: string; familyId?: string } = {};
    return traced(
      jwtChannels.refresh,
      trace,
      async () => {
        const requestedScopes = request.scopes === undefined ? undefined : parseScopes(request.scopes);
        const dpopThumbprint = thumbprintIn(request, this.config);
        const deadline = this.database.deadlineOf(caller);
        const found = isRefreshToken(rawToken)
          ? await deadline.limit(this.refreshTokens.findWithOwner(hashSecret(rawToken)))
          : undefined;
        if (!found) throw refuse('invalid_token', 'The refresh token is unknown.');
        const { record, user } = found;
        Object.assign(trace, { userId: record.ownerId, familyId: record.family.id });
        if (!user) throw refuse('invalid_token', 'The user does not exist or is not active.');
        const granted = this.ceiling.limit(user, record.family.scopes);
        const ownClaims = await this.signer.ownClaims(user, deadline);
        const { family } = record;
        const client = { dpopThumbprint, ipAddress: caller.ipAddress };
        const prepare = once(() => this.prepare(family, granted, requestedScopes, ownClaims, dpopThumbprint));
        const presented = { ...record, rawToken, granted, requestedScopes, client, prepare, caller };
        // Throws after the commit: an error in the transaction would roll back the revocation that it reports.
        return accept(await this.settle(presented, deadline), record);
      },
      () => ({ familyId: trace.familyId }),
    );
  }

  /** Tries twice: when the first try loses a race, the winner has committed before the second. */
  private async settle(presented: Presented, deadline: Deadline): Promise<RefreshOutcome> {
    const { token, family, client } = presented;
    const isOver = family.revokedAt !== null || endsWithinSecond(family.absoluteExpiresAt, this.clock.now());
    // A family gets its key when its unused token is consumed, so the key of an unused token is known here.
    const looksUnused = !token.consumedAt && !isOver && mayRefresh(family, client);
    try {
      return await this.attempt(presented, looksUnused, deadline).catch((error: unknown) => {
        if (!isLostRace(error)) throw error;
        return this.attempt(presented, false, deadline);
      });
    } catch (error) {
      const isAborted = isLostRace(error) || (!(error instanceof SigraError) && sqlState(error) !== undefined);
      if (!isAborted) throw error;
      const cause = error instanceof SigraError ? error.cause : error;
      throw aborted(cause);
    }
  }

  /** Rotates with one statement, which succeeds for most tokens; otherwise decides under the family's lock. */
  private async attempt(presented: Presented, looksUnused: boolean, deadline: Deadline): Promise<RefreshOutcome> {
    const pair = looksUnused ? await this.rotate(presented, deadline) : undefined;
    if (pair) return { kind: 'issued', pair };
    const decide = (manager: EntityManager) => this.decide(manager, presented);
    const outcome = await this.database.transaction(decide, deadline.left, { settles: false });
    if (outcome.kind === 'replayed') {
      const pairWith = await deadline.limit(presented.prepare());
      return { kind: 'issued', pair: pairWith(outcome.refreshToken) };
    }
    if (outcome.kind !== 'suspected') return outcome;
    const owner = ownerOf(presented.family);
    const detected = await this.database.transaction(async (manager) => {
      // The descendants of the family are revoked as well, so this locks in the order of everything that makes or rotates a
      // token.
      await this.owners.lock(manager, owner);
      return this.decide(manager, presented, true);
    }, deadline.left);
    if (detected.kind === 'reuse' && !detected.isComplete) await this.sweeper.begin(owner, deadline);
    if (detected.kind === 'suspected' || detected.kind === 'replayed') throw new Error('sigra: the owner was locked');
    return detected;
  }

  /** @param hasOwner whether the transaction has locked the owner. @default reuse is only suspected, and nothing is written */
  private async decide(
    manager: EntityManager,
    presented: Presented,
    hasOwner = false,
  ): Promise<RefreshOutcome | Undecided> {
    const { token, rawToken } = presented;
    const owner = ownerOf(presented.family);
    const family = await this.families.lock(manager, presented.family.id, owner);
    const { reuseLeeway, clockTolerance } = enabledJwt(this.config);
    const state = family && (await this.refreshTokens.readState(manager, token.id, owner, reuseLeeway));
    if (!state) return { kind: 'refuse', code: 'token_expired', message: 'The refresh token has expired.' };
    // Read after the lock, because the wait can take long.
    const now = this.clock.now();
    const decision = decideRefresh(family, state, now, reuseLeeway, clockTolerance, presented.client);
    switch (decision.kind) {
      case 'refuse':
        return decision;
      case 'rotate': {
        const pair = await this.rotate(presented, manager);
        if (pair) return { kind: 'issued', pair };
        throw aborted();
      }
      case 'replay': {
        this.narrow(presented.granted, presented.requestedScopes);
        // The access token would have the earlier addresses or resources.
        if (!isDeepStrictEqual(limitsOf(family), limitsOf(presented.family))) throw aborted();
        await this.audit.append(manager, refreshEvent('api.jwt_refresh_replay', presented));
        const live = decision.sealedSuccessors.reduce(
          (opener, sealed) => unseal(sealed, opener, 'refresh-token successor'),
          rawToken,
        );
        return { kind: 'replayed', refreshToken: live };
      }
      case 'reuse': {
        if (!hasOwner) return { kind: 'suspected' };
        await this.families.revoke(manager, family.id, now, 'reuse_detected');
        await this.audit.append(manager, refreshEvent('api.jwt_refresh_reuse', presented));
        // A thief may have made them.
        const { isComplete } = await this.lineage.revokeMadeBy(manager, owner, [family.id], now, presented.caller);
        return { kind: 'reuse', isComplete };
      }
    }
  }

  /** @returns undefined when the token cannot be rotated (any more), or its family is locked */
  private async rotate(presented: Presented, within: EntityManager | Deadline): Promise<TokenPair | undefined> {
    const { rawToken, token, family } = presented;
    const { refreshTtl, reuseLeeway } = enabledJwt(this.config);
    const now = this.clock.now();
    const successor = mintRefreshToken();
    // Before anything is written, so that an error caused by the application's claims does not consume the refresh token.
    const pairWith = await (within instanceof Deadline ? within.limit(presented.prepare()) : presented.prepare());
    const rotation = {
      tokenId: token.id,
      family,
      boundTo: family.dpopThumbprint === null ? (presented.client.dpopThumbprint ?? null) : null,
      child: {
        id: uuidv7(),
        tokenHash: hashSecret(successor),
        expiresAt: earliest(later(now, refreshTtl), family.absoluteExpiresAt),
        createdAt: now,
      },
      sealedSuccessor: reuseLeeway > 0 ? seal(successor, rawToken, 'refresh-token successor') : null,
      event: this.audit.rowOf(refreshEvent('api.jwt_refresh', presented)),
    };
    const isRotated = await this.refreshTokens.rotate(rotation, within);
    return isRotated ? pairWith(successor) : undefined;
  }

  private async prepare(
    family: RefreshFamilyRow,
    granted: readonly string[],
    requested: readonly string[] | undefined,
    ownClaims: Readonly<Record<string, unknown>>,
    dpopThumbprint: string | undefined,
  ): Promise<PairWith> {
    const scopes = this.narrow(granted, requested);
    const signed = await this.signer.sign({ ...ofFamily(family), ownClaims, scopes, dpopThumbprint });
    return (refreshToken) => tokenPair(signed, refreshToken, scopes);
  }

  /** @throws SigraError `insufficient_scope`, `unregistered_scopes` */
  private narrow(granted: readonly string[], requested: readonly string[] | undefined): readonly string[] {
    return requested ? this.scopes.narrow(granted, requested) : granted;
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

function limitsOf({ allowedIps, resources }: RefreshFamilyRow) {
  return { allowedIps, resources };
}

function aborted(cause?: unknown): SigraError {
  return new SigraError('refresh_aborted', 'The refresh token was not used; try again.', { cause });
}

function refreshEvent(action: JwtAuditAction, { token, family, caller }: Presented): NewAuditEvent {
  return {
    action,
    outcome: action === 'api.jwt_refresh_reuse' ? 'failure' : 'success',
    actorId: family.ownerId,
    actorType: family.ownerType,
    targetId: family.id,
    targetType: 'refresh_family',
    metadata: { refreshTokenId: token.id },
    ipAddress: caller.ipAddress,
    userAgent: caller.userAgent,
  };
}

function accept(outcome: RefreshOutcome, { ownerId: userId, family }: RefreshTokenOfFamily): TokenPair {
  switch (outcome.kind) {
    case 'issued':
      return outcome.pair;
    case 'refuse':
      throw refuse(outcome.code, outcome.message);
    case 'reuse':
      refreshReuseDetected.publish({ userId, familyId: family.id });
      throw refuse('reuse_detected', 'The refresh token was used before; its family has been revoked.');
  }
}
