import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { auditDetailsOf, type CallContext } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { isRefreshToken } from './refresh-token-format.js';

/** Ends sign-ins, with the audit row in the same transaction. */
@Injectable()
export class RefreshTokenRevoker {
  constructor(
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  async revokeByToken(rawToken: string, context: CallContext): Promise<void> {
    const familyId = isRefreshToken(rawToken) ? await this.refreshTokens.familyOf(hashSecret(rawToken)) : undefined;
    // Clean-up may have taken the family in between.
    if (familyId === undefined || !(await this.endFamily(familyId, context))) {
      throw refuse('invalid_token', 'The refresh token is unknown.');
    }
  }

  async revokeFamily(userId: string, familyId: string, context: CallContext): Promise<void> {
    if (!isUuid(familyId) || !(await this.endFamily(familyId, context, userId))) {
      throw new SigraError('not_found', 'There is no such sign-in.');
    }
  }

  revokeAll(userId: string, context: CallContext): Promise<number> {
    return this.database.transaction(async (manager) => {
      const count = await this.refreshTokens.revokeFamilies(manager, userId, this.clock.now(), 'revoked');
      if (count > 0) await this.record(manager, 'api.jwt_revoke', context, { id: userId, type: 'user' }, { count });
      return count;
    });
  }

  signOutEverywhere(userId: string, context: CallContext): Promise<void> {
    return this.database.transaction(async (manager) => {
      // Families first, as everywhere: whoever holds one finishes before the epoch moves.
      const now = this.clock.now();
      const families = await this.refreshTokens.revokeFamilies(manager, userId, now, 'sign_out_everywhere');
      const epoch = await this.refreshTokens.bumpEpoch(manager, userId);
      await this.record(manager, 'api.sign_out_everywhere', context, { id: userId, type: 'user' }, { families, epoch });
    });
  }

  /**
   * @param userId when given, a family of anybody else counts as absent
   * @returns whether there is such a family, dead or alive
   */
  private endFamily(familyId: string, context: CallContext, userId?: string): Promise<boolean> {
    return this.database.transaction(async (manager) => {
      const family = await this.refreshTokens.lockFamily(manager, familyId, userId);
      if (!family || family.revoked_at) return family !== undefined;
      await this.refreshTokens.revokeFamily(manager, familyId, this.clock.now(), 'revoked');
      const target = { id: familyId, type: 'refresh_family' };
      await this.record(manager, 'api.jwt_revoke', context, target, { userId: family.user_id });
      return true;
    });
  }

  private record(
    manager: EntityManager,
    action: 'api.jwt_revoke' | 'api.sign_out_everywhere',
    context: CallContext,
    target: { id: string; type: string },
    metadata: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const details = auditDetailsOf(context);
    return this.audit.append(manager, {
      ...details,
      action,
      targetId: target.id,
      targetType: target.type,
      metadata: { ...details.metadata, ...metadata },
    });
  }
}
