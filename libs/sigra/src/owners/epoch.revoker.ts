import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SigraAuditAction } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { type EpochKinds, type Epochs, OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { CredentialSweeper, type SweepRequest } from './credential.sweeper.js';

/** More credentials are counted after the revocation, which must not wait for it. */
const COUNTED_AT_ONCE = 10_000;

/** The time and the new epochs of a revocation. */
export interface EpochStep extends Epochs {
  readonly at: Date;
}

/** A revocation of all credentials of some kinds. */
export interface EpochRevocation {
  readonly kinds: EpochKinds;
  readonly action: SigraAuditAction;
  readonly sweeps: readonly Omit<SweepRequest, 'at'>[];
  /** The metadata of the audit row, besides the count. */
  readonly metadata: (step: EpochStep) => Readonly<Record<string, unknown>>;
  /** Counts up to `limit` of the credentials that the step has ended. @default nothing is counted */
  readonly count?: (step: EpochStep, manager?: EntityManager, limit?: number) => Promise<number>;
  /** Further work in the transaction; an error aborts the revocation. */
  readonly alongside?: (step: EpochStep, manager: EntityManager) => Promise<void>;
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
    private readonly sweeper: CredentialSweeper,
    private readonly audit: AuditWriter,
  ) {}

  /** @returns the number of credentials ended */
  async end(owner: Owner, revocation: EpochRevocation, caller: Caller): Promise<number> {
    const { kinds, action, sweeps, metadata, count = none, alongside } = revocation;
    const deadline = this.database.deadlineOf(caller);
    const { step, counted } = await this.database.transaction(async (manager) => {
      // First, because everything that makes a credential of the owner waits for it.
      const epochs = await this.owners.bump(manager, owner, kinds);
      const at = this.clock.now();
      const step = { ...epochs, at };
      const counted = await count(step, manager, COUNTED_AT_ONCE + 1);
      await this.sweeper.request(manager, owner, epochs, ...sweeps.map((sweep) => ({ ...sweep, at })));
      await alongside?.(step, manager);
      const ended = counted <= COUNTED_AT_ONCE ? { count: counted } : { countAbove: COUNTED_AT_ONCE };
      await this.audit.record(
        manager,
        {
          action,
          targetId: owner.id,
          targetType: owner.type,
          metadata: { ...metadata(step), ...(revocation.count && ended) },
        },
        caller,
      );
      return { step, counted };
    }, deadline.left);
    const total = counted <= COUNTED_AT_ONCE ? counted : await count(step);
    await this.sweeper.begin(owner, deadline);
    return total;
  }
}

function none(): Promise<number> {
  return Promise.resolve(0);
}
