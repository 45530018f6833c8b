import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { BackgroundTask } from '../common/background-task.js';
import type { Deadline } from '../common/deadline.js';
import type { Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { Epochs } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type SweepPosition, SweepRepository } from '../persistence/sweep.repository.js';
import type { Sweep } from '../persistence/tables.js';
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
/** Limits a batch: a connection that falls silent must not stop all sweeps. */
const BATCH_TIMEOUT_MS = 30_000;
const LONGEST_REST_MS = 1000;
/** The time until rows that were locked are tried again. */
const RETRY_MS = 100;

/** How far this node has come with a sweep. */
interface Progress {
  stage: number;
  position?: SweepPosition | undefined;
}

/**
 * Marks or deletes the rows that an epoch has ended, in small batches that never wait for a lock. The revocation is in force
 * without it. A sweep that a node leaves behind is continued when a node starts, at the next revocation, or by clean-up.
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
    for (const { task, reason = null, at } of requests) {
      await this.sweeps.insert(manager, {
        id: uuidv7(),
        ownerType: owner.type,
        ownerId: owner.id,
        task,
        ...epochs,
        reason,
        requestedAt: at,
      });
    }
  }

  /**
   * Processes the first batches of an owner's sweeps, which is all for most owners, and the rest in the background. Never
   * rejects: the revocation has committed.
   */
  async begin(owner: Owner, deadline: Deadline): Promise<void> {
    await this.start(FIRST_BATCHES, deadline, owner);
  }

  /** Continues the sweeps that an earlier process has left behind. */
  async onApplicationBootstrap(): Promise<void> {
    await this.start(1, this.database.deadlineOf({}));
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await this.sweeping.run();
  }

  /** Processes all sweeps. Resolves when none is left, except those that other nodes work on. */
  async drain(): Promise<void> {
    while (!this.isClosing) {
      const start = performance.now();
      const batch = await this.processBatch(BATCH_TIMEOUT_MS);
      if (!batch) return;
      // A pause after each batch leaves at least half of the time to requests.
      await setTimeout(
        batch.rows === 0 && !batch.complete ? RETRY_MS : Math.min(performance.now() - start, LONGEST_REST_MS),
      );
    }
  }

  /** Processes some batches now, and the others in the background. */
  private async start(batches: number, deadline: Deadline, owner?: Owner): Promise<void> {
    try {
      for (let batch = 0; batch < batches; batch++) {
        if (!(await this.processBatch(deadline.left, owner))) return;
      }
    } catch (error) {
      this.interrupted(error);
    }
    this.sweeping.request();
  }

  private interrupted(error: unknown): void {
    this.logger.warn(`A sweep is interrupted and will continue later: ${String(error)}`);
  }

  /** @returns undefined when there is nothing to do */
  private async processBatch(timeout: number, owner?: Owner): Promise<SweepProgress | undefined> {
    const batch = await this.database.transaction(async (manager) => {
      const sweep = await this.sweeps.take(manager, owner);
      if (!sweep) return undefined;
      const known = this.progress.get(sweep.id) ?? { stage: 0 };
      const { count, makers, position } = await this.sweeps.process(
        manager,
        sweep,
        known.stage,
        this.config.cleanup.batchSize,
        known.position,
      );
      await this.lineage.revokeMadeBy(manager, makers, sweep.requestedAt, {});
      const next = position
        ? { stage: known.stage, position }
        : // Rows that were locked are left: the stage begins again.
          { stage: known.stage + ((await this.sweeps.hasRows(manager, sweep, known.stage)) ? 0 : 1) };
      const complete = next.stage >= this.sweeps.stagesOf(sweep);
      if (complete) await this.sweeps.delete(manager, sweep.id);
      return { sweep, next, complete, rows: count };
    }, timeout);
    if (!batch) return undefined;
    const { sweep, next, complete, rows } = batch;
    if (complete) this.progress.delete(sweep.id);
    else this.progress.set(sweep.id, next);
    const message: SweepProgress = {
      task: sweep.task,
      ownerType: sweep.ownerType,
      ownerId: sweep.ownerId,
      rows,
      complete,
    };
    ownerSweep.publish(message);
    return message;
  }
}
