import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SigraAuditAction } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, replacedTime } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { type EpochKinds, OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { OwnerDirectories } from '../persistence/owner-directories.js';
import { CredentialRevoker, type EpochStep } from './credential.revoker.js';
import { CredentialSweeper, type SweepRequest } from './credential.sweeper.js';
import { LineageRevoker } from './lineage.revoker.js';

/** More credentials are counted after the revocation, which must not wait for it. */
const COUNTED_AT_ONCE = 10_000;

/** A revocation of all credentials of some kinds. */
export interface EpochRevocation {
  readonly kinds: EpochKinds;
  readonly action: SigraAuditAction;
  readonly sweeps: readonly Omit<SweepRequest, 'at'>[];
  /** The metadata of the audit row, besides the count. */
  readonly metadata: (step: EpochStep) => Readonly<Record<string, unknown>>;
  /** Counts the credentials that the step has ended. @default nothing is counted */
  readonly count?: {
    /** Counts up to `limit` of them, in the transaction. */
    readonly upTo: (limit: number, step: EpochStep, manager: EntityManager) => Promise<number>;
    /** Counts all, after the transaction, while any node can mark their rows. */
    readonly all: (step: EpochStep) => Promise<number>;
  };
  /** Whether an owner that does not exist is an error: for revocations without a result. @default false */
  readonly requiresOwner?: boolean;
}

/**
 * Ends credentials of an owner by moving it to the next epoch, which is in force at once, however many there are. Their rows
 * are marked or deleted afterwards.
 */
@Injectable()
export class EpochRevoker {
  constructor(
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly directories: OwnerDirectories,
    private readonly credentials: CredentialRevoker,
    private readonly lineage: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * @returns the number of credentials ended
   * @throws SigraError `insufficient_scope` when the caller's principal does not hold all scopes of these credentials;
   * `not_found`, when `requiresOwner`; `unavailable`; `outcome_unknown`
   */
  async end(owner: Owner, revocation: EpochRevocation, caller: Caller): Promise<number> {
    const { kinds, action, sweeps, metadata, count } = revocation;
    const deadline = this.database.deadlineOf(caller);
    if (revocation.requiresOwner) await deadline.limit(this.assertExists(owner));
    const { step, counted } = await this.database.retried(deadline, async (manager) => {
      // First, because everything that makes a credential of the owner waits for it.
      const epochs = await this.owners.bump(manager, owner, kinds, replacedTime(this.clock));
      const at = this.clock.now();
      const step = { ...epochs, at };
      await this.credentials.assertMayEndAll(manager, owner, kinds, step, caller);
      const counted = count ? await count.upTo(COUNTED_AT_ONCE + 1, step, manager) : 0;
      await this.sweeper.request(manager, owner, epochs, ...sweeps.map((sweep) => ({ ...sweep, at })));
      await this.lineage.revokeMadeByAll(manager, owner, kinds, at, caller);
      const ended = counted <= COUNTED_AT_ONCE ? { count: counted } : { countAbove: COUNTED_AT_ONCE };
      await this.audit.record(
        manager,
        {
          action,
          targetId: owner.id,
          targetType: owner.type,
          metadata: { ...metadata(step), ...(count && ended) },
        },
        caller,
      );
      return { step, counted };
    });
    try {
      return count && counted > COUNTED_AT_ONCE ? await this.countAll(() => count.all(step)) : counted;
    } finally {
      // After the count, which is faster while no rows are marked.
      await this.sweeper.begin(owner, deadline);
    }
  }

  /** Another spelling of an id, or an e-mail address, would otherwise end nothing, silently. */
  private async assertExists(owner: Owner): Promise<void> {
    if (await this.owners.isKnown(owner)) return;
    // A provider that fails must not prevent a lock-out.
    const missing = await this.directories
      .of(owner.type)
      ?.missing([owner.id])
      .catch(() => []);
    if (missing && missing.length > 0) {
      throw new SigraError('not_found', 'There is no such user.');
    }
  }

  /** The revocation has committed, so a failure must not say that nothing has changed. */
  private async countAll(count: () => Promise<number>): Promise<number> {
    try {
      return await count();
    } catch (cause) {
      throw new SigraError('outcome_unknown', 'All credentials were revoked, but they could not be counted.', {
        cause,
      });
    }
  }
}
