import { Injectable } from '@nestjs/common';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { isRefreshToken } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';

/** Revokes refresh families, with the audit row in the same transaction. */
@Injectable()
export class RefreshTokenRevoker {
  constructor(
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly families: RefreshFamilyRepository,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  /** Revokes the family of a refresh token, including a consumed one. See `SigraJwtService.revokeRefresh`. */
  async revokeByToken(rawToken: string, caller: Caller): Promise<void> {
    const familyId = isRefreshToken(rawToken) ? await this.refreshTokens.familyIdOf(hashSecret(rawToken)) : undefined;
    // Clean-up can have deleted the family in between.
    if (familyId === undefined || !(await this.endFamily(familyId, caller))) {
      throw refuse('invalid_token', 'The refresh token is unknown.');
    }
  }

  /** Revokes a family of a user. See `SigraJwtService.revokeFamily`. */
  async revokeFamily(userId: string, familyId: string, caller: Caller): Promise<void> {
    if (!isUuid(familyId) || !(await this.endFamily(familyId, caller, userId))) {
      throw new SigraError('not_found', 'There is no such family.');
    }
  }

  /** Revokes all live families of a user. @returns their number */
  revokeAll(userId: string, caller: Caller): Promise<number> {
    return this.database.transaction(async (manager) => {
      const count = await this.families.revokeAll(manager, userId, this.clock.now(), 'revoked');
      if (count > 0) {
        await this.audit.record(
          manager,
          { action: 'api.jwt_revoke', targetId: userId, targetType: 'user', metadata: { count } },
          caller,
        );
      }
      return count;
    });
  }

  /** Revokes all live families of a user and moves the user to the next epoch. */
  signOutEverywhere(userId: string, caller: Caller): Promise<void> {
    return this.database.transaction(async (manager) => {
      // Locks families first, as all transactions do: one that holds a family ends before the epoch changes.
      const families = await this.families.revokeAll(manager, userId, this.clock.now(), 'sign_out_everywhere');
      const epoch = await this.families.bumpEpoch(manager, userId);
      await this.audit.record(
        manager,
        { action: 'api.sign_out_everywhere', targetId: userId, targetType: 'user', metadata: { families, epoch } },
        caller,
      );
    });
  }

  /**
   * @param userId if given, a family of another user counts as missing
   * @returns whether the family exists, revoked or not
   */
  private endFamily(familyId: string, caller: Caller, userId?: string): Promise<boolean> {
    return this.database.transaction(async (manager) => {
      const family = await this.families.lock(manager, familyId, userId);
      if (!family || family.revokedAt) return family !== undefined;
      await this.families.revoke(manager, familyId, this.clock.now(), 'revoked');
      const metadata = { userId: family.userId };
      await this.audit.record(
        manager,
        { action: 'api.jwt_revoke', targetId: familyId, targetType: 'refresh_family', metadata },
        caller,
      );
      return true;
    });
  }
}
