import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../common/clock.js';
import { MAX_REUSE_LEEWAY } from '../config/jwt.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CleanupRepository } from '../persistence/cleanup.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';

/** The options of one clean-up run. */
export interface CleanupRequest {
  /** Rows per transaction. @default `cleanup.batchSize` */
  readonly batchSize?: number | undefined;
}

/** The number of rows that a clean-up run deleted. */
export interface CleanupReport {
  readonly expiredTokens: number;
  readonly revokedTokens: number;
  /** Families past their absolute expiry. */
  readonly refreshFamilies: number;
  /** All tokens of those families. */
  readonly refreshTokens: number;
  readonly auditEvents: number;
  /** False when another node was cleaning up and this run stopped. */
  readonly complete: boolean;
}

const LONGEST_REST_MS = 1000;

/** Deletes rows that are no longer needed, in small transactions that never wait for a lock. */
@Injectable()
export class TokenCleanupService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly rows: CleanupRepository,
  ) {}

  /**
   * Deletes expired tokens, tokens that were revoked longer ago than `cleanup.revokedRetention`, and audit events older than
   * `audit.retention`. Refresh families are deleted with all their tokens after their absolute expiry; until then even
   * consumed tokens stay, so that their reuse is detected. Runs by `cleanup.schedule`; call it to run it now. One node works
   * at a time.
   *
   * @throws RangeError when `batchSize` is not an integer above 0
   */
  async cleanupExpiredTokens(request: CleanupRequest = {}): Promise<CleanupReport> {
    const { batchSize = this.config.cleanup.batchSize } = request;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError('sigra: batchSize must be an integer above 0');
    }
    const { rows } = this;
    const now = this.clock.now();
    const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
    const revokedBefore = ago(this.config.cleanup.revokedRetention);
    const sealedBefore = ago(MAX_REUSE_LEEWAY);
    const { retention } = this.config.audit;

    const run = (deleteBatch: (manager: EntityManager) => Promise<number>) => this.drain(batchSize, deleteBatch);
    const expired = await run((manager) => rows.deleteExpiredTokens(manager, now, batchSize));
    const revoked = await run((manager) => rows.deleteRevokedTokens(manager, revokedBefore, batchSize));
    const refreshTokens = await run((manager) => rows.deleteEndedRefreshTokens(manager, now, batchSize));
    const families = await run((manager) => rows.deleteEndedFamilies(manager, now, batchSize));
    const sealed = await run((manager) => rows.forgetSealedSuccessors(manager, sealedBefore, batchSize));
    const events = await run(async (manager) =>
      retention === undefined ? 0 : rows.deleteAuditEvents(manager, ago(retention), batchSize),
    );
    return {
      expiredTokens: expired.count,
      revokedTokens: revoked.count,
      refreshFamilies: families.count,
      refreshTokens: refreshTokens.count,
      auditEvents: events.count,
      complete: [expired, revoked, refreshTokens, families, sealed, events].every(({ complete }) => complete),
    };
  }

  private async drain(
    batchSize: number,
    deleteBatch: (manager: EntityManager) => Promise<number>,
  ): Promise<{ count: number; complete: boolean }> {
    let count = 0;
    for (;;) {
      const start = performance.now();
      // No request waits for a batch, so it has no time limit.
      const batch = await this.database.transaction(
        async (manager) => ((await this.rows.tryLock(manager)) ? deleteBatch(manager) : undefined),
        Infinity,
      );
      if (batch === undefined) return { count, complete: false };
      count += batch;
      if (batch < batchSize) return { count, complete: true };
      // A pause after each batch leaves at least half of the time to requests.
      await setTimeout(Math.min(performance.now() - start, LONGEST_REST_MS));
    }
  }
}
