import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { LineageRepository, type Makers } from '../persistence/lineage.repository.js';

/** Revokes what revoked credentials have made, to any depth, with an audit row for each. */
@Injectable()
export class LineageRevoker {
  constructor(
    private readonly lineage: LineageRepository,
    private readonly audit: AuditWriter,
  ) {}

  /** Call it in the transaction that has revoked the makers. */
  async revokeMadeBy(manager: EntityManager, makers: Makers, at: Date, caller: Caller): Promise<void> {
    const revoked = await this.lineage.revokeMadeBy(manager, makers, at);
    await this.audit.recordAll(
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
