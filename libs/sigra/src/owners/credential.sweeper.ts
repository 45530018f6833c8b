import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { BackgroundTask, BATCH_TIMEOUT_MS, restAfter } from '../common/background-task.js';
import { awaitBriefly, type Deadline } from '../common/deadline.js';
import type { Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { isLostRace } from '../persistence/database-error.js';
import type { Epochs } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type SweepPosition, SweepRepository } from '../persistence/sweep.repository.js';
import { ownerOf, type Sweep } from '../persistence/tables.js';
import { ownerSweep, type SweepProgress } from '../telemetry/channels.js';
import { LineageRevoker } from './lineage.revoker.js';

/** A sweep to request. */
export interface SweepRequest {
  readonly task: Sweep['task'];
  readonly reason?: string;
  readonly at: Date;
}

/** Enough for every sweep of an owner with fewer rows than a batch has. */
const FIRST_BATCHES = 8;
/** The time until rows that were locked are tried again. */
const RETRY_MS = 100;
/** How often each node looks for sweeps that failed, or that another node has left behind. */
const POLL_MS = 60_000;

/** How far this node has come with a sweep of rows. */
interface Progress {
  stage: number;
  position?: SweepPosition | undefined;
}

/** One batch of a sweep. */
interface Batch {
  readonly rows: number;
  /** Undefined when nothing is left to do. */
  readonly next: Progress | undefined;
}

/** What became of a batch: an error has rolled it back. */
type Outcome = { readonly sweep: Sweep } & ({ readonly batch: Batch } | { readonly error: unknown });

/**
 * Marks or deletes the rows that an epoch has ended, and revokes what revoked credentials made, in small batches. An epoch is in
 * force without it. A sweep that fails, or that another node leaves behind, is continued within a minute.
 */
@Injectable()
export class CredentialSweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CredentialSweeper.name);
  private readonly progress = new Map<string, Progress>();
  private readonly sweeping = new BackgroundTask(
    0,
    () => this.drain(),
    (error) => this.interrupted(error),
  );
  private polling: NodeJS.Timeout | undefined;
  private retrying: NodeJS.Timeout | undefined;
  private isClosing = false;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly sweeps: SweepRepository,
    private readonly lineage: LineageRevoker,
  ) {}

  /** Requests sweeps, in the transaction of the revocation. Call `begin` after it has committed. */
  async request(
    manager: EntityManager,
    owner: Owner,
    epochs: Epochs,
    ...requests: readonly SweepRequest[]
  ): Promise<void> {
    await this.sweeps.insert(
      manager,
      requests.map(({ task, reason = null, at }) => ({
        id: uuidv7(),
        ownerType: owner.type,
        ownerId: owner.id,
        task,
        makerId: null,
        ...epochs,
        reason,
        requestedAt: at,
      })),
    );
  }

  /**
   * Processes the first batches of an owner's sweeps, which is all for most owners, and the rest in the background. Never
   * rejects: the revocation has committed.
   */
  async begin(owner: Owner, deadline: Deadline): Promise<void> {
    await this.start(FIRST_BATCHES, deadline, owner);
    // Once for all batches, and for those that another node has processed.
    await this.database.settled();
  }

  /** Continues the sweeps that an earlier process has left behind. */
  async onApplicationBootstrap(): Promise<void> {
    this.polling = setInterval(() => {
      this.sweeping.request();
    }, POLL_MS).unref();
    await this.start(1, this.database.deadlineOf({}));
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    clearInterval(this.polling);
    clearTimeout(this.retrying);
    await awaitBriefly(this.sweeping.run());
  }

  /**
   * Processes all sweeps. Resolves when none is left, except those that fail, whose rows are locked, or that other nodes
   * work on.
   */
  async drain(): Promise<void> {
    // Left until the next time, because the others must not wait for them.
    const left: string[] = [];
    let isBlocked = false;
    while (!this.isClosing) {
      const start = performance.now();
      const outcome = await this.processBatch(BATCH_TIMEOUT_MS, left);
      if (!outcome) break;
      const { sweep } = outcome;
      if ('error' in outcome) {
        if (!isLostRace(outcome.error)) this.interrupted(outcome.error);
        isBlocked ||= isLostRace(outcome.error);
        left.push(sweep.id);
      } else if (outcome.batch.rows === 0 && outcome.batch.next) {
        // All rows that are left are locked.
        isBlocked = true;
        left.push(sweep.id);
      } else {
        await restAfter(start);
      }
    }
    if (isBlocked && !this.isClosing) {
      this.retrying = setTimeout(() => {
        this.sweeping.request();
      }, RETRY_MS).unref();
    }
  }

  /** Processes some batches now, and the others in the background. */
  private async start(batches: number, deadline: Deadline, owner?: Owner): Promise<void> {
    try {
      for (let batch = 0; batch < batches; batch++) {
        // Half of the time that is left: the revocation is in force, and its caller does not have to wait for these.
        const outcome = await this.processBatch(deadline.left / 2, [], owner);
        if (!outcome) return;
        if ('error' in outcome) throw outcome.error;
      }
    } catch (error) {
      this.interrupted(error);
    }
    this.sweeping.request();
  }

  private interrupted(error: unknown): void {
    this.logger.warn(`A sweep is interrupted and will continue later: ${String(error)}`);
  }

  /**
   * @param except the ids of sweeps to leave
   * @returns undefined when there is nothing to do
   */
  private async processBatch(timeout: number, except: readonly string[], owner?: Owner): Promise<Outcome | undefined> {
    let sweep: Sweep | undefined;
    let batch: Batch | undefined;
    try {
      const process = async (manager: EntityManager) => {
        sweep = await this.sweeps.take(
          manager,
          except,
          owner ?? { type: this.config.ownerTypes.map(({ type }) => type) },
        );
        return sweep && (await this.process(manager, sweep));
      };
      // `begin` waits, once for all batches.
      batch = await this.database.transaction(process, timeout, { settles: false });
    } catch (error) {
      if (!sweep) throw error;
      return { sweep, error };
    }
    if (!sweep || !batch) return undefined;
    if (batch.next) this.progress.set(sweep.id, batch.next);
    else this.progress.delete(sweep.id);
    const { task, ownerType, ownerId } = sweep;
    const message: SweepProgress = { task, ownerType, ownerId, rows: batch.rows, complete: !batch.next };
    ownerSweep.publish(message);
    return { sweep, batch };
  }

  private async process(manager: EntityManager, sweep: Sweep): Promise<Batch> {
    const batch =
      sweep.makerId === null
        ? await this.processRows(manager, sweep)
        : await this.processLineage(manager, sweep, sweep.makerId);
    if (!batch.next) await this.sweeps.delete(manager, sweep.id);
    return batch;
  }

  private async processRows(manager: EntityManager, sweep: Sweep): Promise<Batch> {
    const { stage, position: after } = this.progress.get(sweep.id) ?? { stage: 0 };
    const { batchSize } = this.config.cleanup;
    const { count, makerIds, position } = await this.sweeps.process(manager, sweep, stage, batchSize, after);
    await this.lineage.revokeMadeBy(manager, ownerOf(sweep), makerIds, sweep.requestedAt, {});
    if (position) return { rows: count, next: { stage, position } };
    // Rows that were locked are left: the stage begins again.
    const next = (await this.sweeps.hasRows(manager, sweep, stage)) ? stage : stage + 1;
    return { rows: count, next: next < this.sweeps.stagesOf(sweep) ? { stage: next } : undefined };
  }

  /** The rest becomes a sweep of its own. */
  private async processLineage(manager: EntityManager, sweep: Sweep, makerId: string): Promise<Batch> {
    const { endsAt, requestedAt } = sweep;
    const owner = ownerOf(sweep);
    const { count } = endsAt
      ? await this.lineage.limitMadeBy(manager, owner, makerId, endsAt, requestedAt)
      : await this.lineage.revokeMadeBy(manager, owner, [makerId], requestedAt, {});
    return { rows: count, next: undefined };
  }
}
