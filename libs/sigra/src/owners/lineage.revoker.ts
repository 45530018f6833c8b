import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import type { Owner } from '../common/principal.js';
import { LineageRepository, type RevokedDescendant } from '../persistence/lineage.repository.js';
import { SweepRepository } from '../persistence/sweep.repository.js';

/** More would take a noticeable part of `lookupTimeout`: the end of a maker must not depend on how much it made. */
const REVOKED_AT_ONCE = 1000;

/** What a transaction revoked of a lineage. */
export interface LineageRevocation {
  readonly count: number;
  /** False when sweeps revoke the rest: call `CredentialSweeper.begin` after the commit. */
  readonly isComplete: boolean;
}

/**
 * Revokes what revoked credentials have made, to any depth, with an audit row for each: the first thousand in the transaction
 * that revokes the maker, the others in sweeps.
 */
@Injectable()
export class LineageRevoker {
  constructor(
    private readonly lineage: LineageRepository,
    private readonly sweeps: SweepRepository,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Call it in the transaction that has revoked the makers.
   *
   * @param owner of the makers
   */
  async revokeMadeBy(
    manager: EntityManager,
    owner: Owner,
    makerIds: readonly string[],
    at: Date,
    caller: Caller,
  ): Promise<LineageRevocation> {
    const { revoked, unfinished } = await this.lineage.revokeMadeBy(manager, makerIds, at, REVOKED_AT_ONCE);
    await this.record(manager, revoked, caller);
    await this.sweeps.insert(
      manager,
      unfinished.map((makerId) => ({
        id: uuidv7(),
        ownerType: owner.type,
        ownerId: owner.id,
        task: 'revoke_made',
        makerId,
        tokenEpoch: 0,
        familyEpoch: 0,
        reason: null,
        requestedAt: at,
      })),
    );
    return { count: revoked.length, isComplete: unfinished.length === 0 };
  }

  /**
   * Revokes families that API tokens of an owner made, with what those made. Call it in the transaction that revokes all of the
   * tokens; the sweep of the tokens revokes families beyond the first thousand.
   */
  async revokeFamiliesMadeByTokens(manager: EntityManager, owner: Owner, at: Date, caller: Caller): Promise<void> {
    const families = await this.lineage.revokeFamiliesMadeByTokens(manager, owner, at, REVOKED_AT_ONCE);
    await this.record(manager, families, caller);
    await this.revokeMadeBy(
      manager,
      owner,
      families.map(({ makerId }) => makerId),
      at,
      caller,
    );
  }

  private record(manager: EntityManager, revoked: readonly RevokedDescendant[], caller: Caller): Promise<void> {
    return this.audit.recordAll(
      manager,
      revoked.map(({ kind, id, owner }) => ({
        action: kind === 'api_token' ? 'api.token_revoke' : 'api.jwt_revoke',
        targetId: id,
        targetType: kind,
        metadata: { userId: owner.id, reason: 'made_by_revoked' },
      })),
      caller,
    );
  }
}
