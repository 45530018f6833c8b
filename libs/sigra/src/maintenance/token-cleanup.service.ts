import { setTimeout } from 'node:timers/promises';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { BATCH_TIMEOUT_MS, restAfter } from '../common/background-task.js';
import { CLOCK_MARGIN_SECONDS, later } from '../common/clock.js';
import { awaitBriefly } from '../common/deadline.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CleanupRepository } from '../persistence/cleanup.repository.js';
import { BEFORE_ALL } from '../persistence/keyset.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { ExistingTokenLimiter } from '../owners/existing-token.limiter.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { cleanupChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AuditPartitionKeeper, type KeptPartitions } from './audit-partition.keeper.js';
import { FormerOwnerCleaner } from './former-owner.cleaner.js';
import { keptAfterRotation } from './overdue.js';

/** The options of one clean-up run. */
export interface CleanupRequest {
  /** Rows per transaction. @default `cleanup.batchSize` */
  readonly batchSize?: number | undefined;
  /** Called after each batch, for a display. It must not throw. @default nothing is called */
  readonly onProgress?: ((progress: CleanupProgress) => void) | undefined;
}

/** How far a clean-up run is. */
export interface CleanupProgress {
  /** The steps that have ended. */
  readonly step: number;
  readonly steps: number;
  /** The rows that have been deleted or changed. */
  readonly rows: number;
}

/** The number of rows that a clean-up run deleted. */
export interface CleanupReport {
  readonly expiredTokens: number;
  readonly revokedTokens: number;
  /** Families past their absolute expiry. */
  readonly refreshFamilies: number;
  /** All tokens of those families. */
  readonly refreshTokens: number;
  /** Of both retentions: `audit.retention` and `audit.failureRetention`. Without those of dropped partitions. */
  readonly auditEvents: number;
  /** Months of audit events that were dropped; see `sigraPartitionMigrations`. */
  readonly auditPartitions: number;
  /** Owners that no longer exist, all of whose credentials were deleted. */
  readonly forgottenOwners: number;
  /**
   * False when another node was cleaning up: then this run deleted nothing, or stopped when that one took over. Also false
   * when the application shut down meanwhile.
   */
  readonly complete: boolean;
}

/** The pause before a step is tried again. */
const RETRY_MS = 1000;
const TRIES = 3;
/** The steps of a run that delete or change rows, and the last one, which forgets owners. */
const STEPS = 12;

/** Deletes rows that are no longer needed, in small transactions that never wait for a lock. */
@Injectable()
export class TokenCleanupService implements OnApplicationShutdown {
  private readonly running = new Set<Run>();
  private isClosing = false;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly rows: CleanupRepository,
    private readonly formerOwners: FormerOwnerCleaner,
    private readonly sweeper: CredentialSweeper,
    private readonly limiter: ExistingTokenLimiter,
    private readonly partitions: AuditPartitionKeeper,
  ) {}

  /**
   * Deletes tokens that expired an hour ago or earlier, with those that `idleTtl` ended and that made nothing that lives,
   * tokens that were revoked longer ago than `cleanup.revokedRetention`, counts of usage older than
   * `apiTokens.usage.retention`, audit events older than `audit.retention`, and refusals of API tokens older than
   * `audit.failureRetention`. Expired tokens that a rotation replaced stay for `leaks.rotatedWithin`, if that is longer.
   * Refresh families are deleted with all their tokens an hour after their absolute expiry; until
   * then even consumed tokens stay, so that their reuse is detected. Owners that no longer exist are forgotten, an hour
   * after their first credential at the earliest, and sweeps that other nodes left behind are continued. With
   * `enforceOnExisting`, what tokens outside the rules made ends with them. Runs by `cleanup.schedule`; call it to run it
   * now. One node works at a time; the others return at once.
   *
   * @throws RangeError when `batchSize` is not an integer above 0
   */
  async cleanupExpiredTokens(request: CleanupRequest = {}): Promise<CleanupReport> {
    const { batchSize = this.config.cleanup.batchSize, onProgress } = request;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError('sigra: batchSize must be an integer above 0');
    }
    if (this.isClosing) return { ...NOTHING, complete: false };
    const run = new Run(this.rows, this.database, uuidv7(), batchSize, onProgress);
    this.running.add(run);
    try {
      return await traced(
        cleanupChannels.run,
        {},
        () => run.whole(() => this.cleanUp(run)),
        (report) => report,
      );
    } finally {
      this.running.delete(run);
    }
  }

  /** Runs stop after their current batch. The next run, of any node, does the rest. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await awaitBriefly(Promise.all([...this.running].map((run) => run.stop())));
  }

  private async cleanUp(run: Run): Promise<CleanupReport> {
    const { rows } = this;
    const now = await run.tried(() => rows.now());
    if (!now) return { ...NOTHING, complete: false };
    const ago = (seconds: number) => later(now, -seconds);
    // A credential can also be older than the transaction that creates its user.
    const ended = ago(CLOCK_MARGIN_SECONDS);
    const replacedBefore = ago(keptAfterRotation(this.config));
    const revokedBefore = ago(this.config.cleanup.revokedRetention);
    const { retention, failureRetention } = this.config.audit;

    await run.tried(() => this.limiter.limit());
    await run.tried(() => this.sweeper.drain());
    const endedTokens = await run.drain((manager, limit) =>
      rows.deleteExpiredTokens(manager, ended, replacedBefore, limit),
    );
    const unusedTokens = await this.deleteUnused(run, ended);
    const revokedTokens = await run.drain((manager, limit) => rows.deleteRevokedTokens(manager, revokedBefore, limit));
    const refreshTokens = await run.drain((manager, limit) => rows.deleteEndedRefreshTokens(manager, ended, limit));
    const refreshFamilies = await run.drain((manager, limit) => rows.deleteEndedFamilies(manager, ended, limit));
    await run.drain((manager, limit) => rows.deleteIdempotencyKeys(manager, ended, limit));
    await run.drain((manager, limit) => rows.deleteDpopProofs(manager, ended, limit));
    const usageBefore = ago(this.config.apiTokens.usage.retention);
    await run.drain((manager, limit) => rows.deleteTokenUsage(manager, usageBefore, limit));
    await run.drain((manager, limit) => rows.forgetSealedSuccessors(manager, ended, limit));
    const eventsBefore = retention === undefined ? undefined : ago(retention);
    const partitions = await this.partitions.keep(run, now, eventsBefore);
    const oldEvents = eventsBefore ? await this.deleteEvents(run, eventsBefore, partitions) : 0;
    const refusalsBefore = ago(failureRetention);
    const refusals = await run.drain((manager, limit) => rows.deleteRefusals(manager, refusalsBefore, limit));
    const forgottenOwners = await this.formerOwners.clean(run, ended);
    run.end();
    const { complete } = run;
    return {
      expiredTokens: endedTokens + unusedTokens,
      revokedTokens,
      refreshFamilies,
      refreshTokens,
      auditEvents: oldEvents + refusals,
      auditPartitions: partitions?.dropped ?? 0,
      forgottenOwners,
      complete,
    };
  }

  /** The events of a month are dropped together, with their partition. */
  private deleteEvents(run: Run, before: Date, partitions: KeptPartitions | undefined): Promise<number> {
    const tables = partitions?.endless?.map(({ name }) => name) ?? [undefined];
    return run.repeat(async (manager, limit) => {
      const count = await this.rows.deleteAuditEvents(manager, before, limit, tables[0]);
      if (count < limit) tables.shift();
      return { count, hasMore: tables.length > 0 };
    });
  }

  private async deleteUnused(run: Run, until: Date): Promise<number> {
    if (!this.config.apiTokens.kinds.limitIdleness) return 0;
    let after = BEFORE_ALL.id;
    return run.repeat(async (manager, limit) => {
      const { count, last } = await this.rows.deleteUnusedTokens(manager, until, after, limit);
      after = last ?? after;
      return { count, hasMore: last !== null };
    });
  }
}

/** What a batch of clean-up has done. */
interface Batch {
  readonly count: number;
  readonly hasMore: boolean;
}

/** One run of clean-up on this node. */
class Run {
  /** Whether the run has held the lease all the time, and was not stopped. */
  complete = true;
  private ended: Promise<unknown> = Promise.resolve();
  private step = 0;
  private handled = 0;

  constructor(
    private readonly rows: CleanupRepository,
    private readonly database: SigraDatabase,
    private readonly id: string,
    private readonly batchSize: number,
    private readonly onProgress: CleanupRequest['onProgress'],
  ) {}

  /** Runs all steps, and returns the lease. If the database cannot be reached, the lease expires. */
  whole(steps: () => Promise<CleanupReport>): Promise<CleanupReport> {
    const result = (async () => {
      await this.tried(() => Promise.resolve());
      if (!this.complete) return { ...NOTHING, complete: false };
      try {
        return await steps();
      } finally {
        await this.rows.returnLease(this.id).catch(() => undefined);
      }
    })();
    this.ended = result;
    return result;
  }

  /** Ends the run after the current batch. */
  async stop(): Promise<void> {
    this.complete = false;
    await this.ended;
  }

  /** Repeats a batch until it finds too few rows. @returns the number of rows */
  drain(deleteBatch: (manager: EntityManager, limit: number) => Promise<number>): Promise<number> {
    return this.repeat(async (manager, limit) => {
      const count = await deleteBatch(manager, limit);
      return { count, hasMore: count >= limit };
    });
  }

  /** Repeats a batch while it has more to do. @returns the number of rows */
  async repeat(next: (manager: EntityManager, limit: number) => Promise<Batch>): Promise<number> {
    let count = 0;
    for (;;) {
      const start = performance.now();
      const batch = await this.tried(() =>
        // All of these have ended before.
        this.database.transaction((manager) => next(manager, this.batchSize), BATCH_TIMEOUT_MS, { settles: false }),
      );
      if (batch === undefined) return count;
      count += batch.count;
      this.handled += batch.count;
      this.report(batch.hasMore ? this.step : ++this.step);
      if (!batch.hasMore) return count;
      await restAfter(start);
    }
  }

  /** Reports the end of all steps. */
  end(): void {
    if (this.complete) this.report(STEPS);
  }

  private report(step: number): void {
    this.onProgress?.({ step, steps: STEPS, rows: this.handled });
  }

  /**
   * Runs one step while this run holds the lease, and repeats it after an outage: deleting twice deletes nothing more. Renews the
   * lease before each try, which takes less time than the lease lasts.
   *
   * @returns undefined when another run has the lease, which finishes the work, or when this one was stopped
   */
  async tried<T>(step: () => Promise<T>): Promise<T | undefined> {
    for (let attempt = 1; this.complete; attempt++) {
      try {
        this.complete = (await this.rows.takeLease(this.id)) && this.complete;
        return this.complete ? await step() : undefined;
      } catch (error) {
        if (attempt === TRIES || !(error instanceof SigraError)) throw error;
        await setTimeout(RETRY_MS);
      }
    }
    return undefined;
  }
}

const NOTHING = {
  expiredTokens: 0,
  revokedTokens: 0,
  refreshFamilies: 0,
  refreshTokens: 0,
  auditEvents: 0,
  auditPartitions: 0,
  forgottenOwners: 0,
};
