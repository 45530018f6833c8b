import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock, CLOCK_MARGIN_SECONDS, hasExpired, later } from '../common/clock.js';
import type { Deadline } from '../common/deadline.js';
import type { Owner } from '../common/principal.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError, unlessOutage } from '../common/sigra-error.js';
import { isRefreshToken, looksLikeJwt } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialRevoker, type LockedOut, type LockOutCause } from '../owners/credential.revoker.js';
import { EpochRevoker } from '../owners/epoch.revoker.js';
import type { OwnerFilter } from '../persistence/owner.repository.js';
import { type FamilyRevokeReason, RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { LINEAGE_ENDS } from '../persistence/tables.js';
import { AccessTokenVerifier } from './access-token.verifier.js';

/** The family of a leaked token. */
export interface LeakedFamily extends LockedOut {
  /** Undefined when the token has ended, or belongs to no family. */
  readonly family: { readonly id: string; readonly ownerType: string; readonly ownerId: string } | undefined;
}

const HARMLESS: LeakedFamily = { family: undefined, ended: 0 };

/** Revokes refresh families, with the audit row in the same transaction. */
@Injectable()
export class RefreshTokenRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly families: RefreshFamilyRepository,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly revoker: CredentialRevoker,
    private readonly epochs: EpochRevoker,
    private readonly verifier: AccessTokenVerifier,
  ) {}

  /** Revokes the family of a refresh token, including a consumed one. See `SigraJwtService.revokeRefresh`. */
  async revokeByToken(rawToken: string, caller: Caller): Promise<void> {
    const deadline = this.database.deadlineOf(caller);
    const familyId = isRefreshToken(rawToken)
      ? await this.refreshTokens.familyIdOf(hashSecret(rawToken), deadline.left)
      : undefined;
    const owner = { type: this.config.users.type };
    // Clean-up can have deleted the family in between.
    if (familyId === undefined || !(await this.endFamily(familyId, caller, owner, { isHolder: true, deadline }))) {
      throw refuse('invalid_token', 'The refresh token is unknown.');
    }
  }

  /**
   * Revokes the family of an access token (RFC 7009 section 2.1), also of one that has expired: the family lives longer, and
   * by the clock of another node the token can be valid.
   *
   * @returns false for a token that belongs to an API token or to another issuer's session, which this cannot end
   * @throws SigraError `jwt_disabled`, `invalid_token`; not for a token whose family has ended
   */
  async revokeByAccessToken(jwt: string, caller: Caller): Promise<boolean> {
    const { sub, sid, epoch } = this.verifier.identify(jwt);
    if (!isUuid(sid) || epoch === undefined) return false;
    await this.endFamily(sid, caller, { type: this.config.users.type, id: sub }, { isHolder: true });
    return true;
  }

  /** Revokes a family of an owner. See `SigraJwtService.revokeFamily`. */
  async revokeFamily(owner: Owner, familyId: string, caller: Caller): Promise<void> {
    if (!isUuid(familyId) || !(await this.endFamily(familyId, caller, owner))) {
      throw new SigraError('not_found', 'There is no such family.');
    }
  }

  /** Revokes a family of an owner, and what was made with it. See `SigraJwtService.lockOutFamily`. */
  async lockOutFamily(owner: Owner, familyId: string, caller: Caller): Promise<void> {
    if (!(await this.revoker.lockOut('refresh_family', familyId, owner, caller))) {
      throw new SigraError('not_found', 'There is no such family.');
    }
  }

  /**
   * Locks out the family of a leaked token: of a refresh token, also of a consumed one, and of an access token. One that has
   * expired less than an hour ago counts as living, because it can be valid by the clock of another node. The credentials that a family made end also when it was signed out before, or a thief could hide them by a sign-out.
   *
   * @returns undefined for a string that is not such a token of this application
   * @throws SigraError `unavailable`
   */
  async lockOutLeaked(rawToken: string, cause: LockOutCause, caller: Caller): Promise<LeakedFamily | undefined> {
    if (looksLikeJwt(rawToken)) return this.config.jwt && this.lockOutByAccessToken(rawToken, cause, caller);
    const found = isRefreshToken(rawToken) ? await this.refreshTokens.find(hashSecret(rawToken)) : undefined;
    if (!found) return undefined;
    const { id, revokeReason, absoluteExpiresAt } = found.family;
    const isOver = LINEAGE_ENDS.includes(revokeReason) || hasExpired(absoluteExpiresAt, this.slowClock());
    if (!isOver) return this.endLeaked(id, found.ownerId, cause, caller);
    // Another call can have ended it, which waits.
    await this.database.settled();
    return HARMLESS;
  }

  /** Revokes all families of an owner. @returns the number of those that were live */
  revokeAll(owner: Owner, caller: Caller): Promise<number> {
    return this.endAll(owner, caller, 'api.jwt_revoke', 'revoke_all');
  }

  /** Revokes all families and access tokens of an owner. See `SigraJwtService.signOutEverywhere`. */
  async signOutEverywhere(owner: Owner, caller: Caller): Promise<void> {
    await this.endAll(owner, caller, 'api.sign_out_everywhere', 'sign_out_everywhere');
  }

  /** Moves an owner to the next epoch, which ends its families, however many there are. Their rows are marked afterwards. */
  private endAll(
    owner: Owner,
    caller: Caller,
    action: 'api.jwt_revoke' | 'api.sign_out_everywhere',
    reason: FamilyRevokeReason,
  ): Promise<number> {
    return this.epochs.end(
      owner,
      {
        kinds: { families: true },
        action,
        sweeps: [{ task: 'mark_families', reason }],
        requiresOwner: reason === 'sign_out_everywhere',
        metadata: ({ familyEpoch: epoch }) => ({ epoch }),
        // Families of earlier epochs were revoked, and counted, before.
        count: {
          upTo: (limit, { at, familyEpoch }, manager) =>
            this.families.countLive(manager, owner, at, familyEpoch - 1, limit),
          all: ({ at, familyEpoch }) => this.families.countEnded(owner, familyEpoch - 1, at, reason),
        },
      },
      caller,
    );
  }

  private async lockOutByAccessToken(
    jwt: string,
    cause: LockOutCause,
    caller: Caller,
  ): Promise<LeakedFamily | undefined> {
    try {
      const { sub, sid, epoch, exp } = this.verifier.identify(jwt);
      if (!isUuid(sid) || epoch === undefined || hasExpired(new Date(exp * 1000), this.slowClock())) return HARMLESS;
      return await this.endLeaked(sid, sub, cause, caller);
    } catch (error) {
      unlessOutage(error);
      return undefined;
    }
  }

  /** The time on the slowest clock that is allowed for: what has expired by it is valid on no node. */
  private slowClock(): Date {
    return later(this.clock.now(), -CLOCK_MARGIN_SECONDS);
  }

  private async endLeaked(id: string, ownerId: string, cause: LockOutCause, caller: Caller): Promise<LeakedFamily> {
    const owner = { type: this.config.users.type, id: ownerId };
    const lockedOut = await this.revoker.lockOut('refresh_family', id, owner, caller, cause);
    return { family: { id, ownerType: owner.type, ownerId }, ended: lockedOut?.ended ?? 0 };
  }

  /**
   * @param owner families of other owners count as missing
   * @param options `isHolder`: whether the caller holds a token of the family, which suffices. @default false. `deadline`: by when.
   * @default that of the caller
   * @returns whether the family exists, revoked or not
   */
  private endFamily(
    familyId: string,
    caller: Caller,
    owner: OwnerFilter,
    { isHolder = false, deadline = this.database.deadlineOf(caller) }: { isHolder?: boolean; deadline?: Deadline } = {},
  ): Promise<boolean> {
    return this.database.retried(deadline, async (manager) => {
      const family = await this.families.lock(manager, familyId, owner);
      if (!family) return false;
      if (!isHolder) this.revoker.assertMayRevoke(family, caller);
      if (!family.revokedAt) await this.revoker.revokeFamily(manager, family, this.clock.now(), 'revoked', caller);
      return true;
    });
  }
}
