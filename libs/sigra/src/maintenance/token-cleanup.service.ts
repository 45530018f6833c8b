import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock, later } from '../common/clock.js';
import { MAX_REUSE_LEEWAY } from '../config/jwt.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CleanupRepository } from '../persistence/cleanup.repository.js';
import { CredentialService } from '../owners/credential.service.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { UserDirectory } from '../persistence/user-directory.js';

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
  /** Owners that no longer exist, all of whose credentials were deleted. */
  readonly forgottenOwners: number;
  /** False when another node was cleaning up and this run stopped. */
  readonly complete: boolean;
}

const LONGEST_REST_MS = 1000;
/** As many as a `UserProvider` is asked for at once. */
const OWNERS_PER_BATCH = 512;
/** A credential can be older than the transaction that creates its user, and the clocks of nodes differ. */
const OWNER_MARGIN_SECONDS = 3600;

/** Deletes rows that are no longer needed, in small transactions that never wait for a lock. */
@Injectable()
export class TokenCleanupService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly rows: CleanupRepository,
    private readonly users: UserDirectory,
    private readonly owners: OwnerRepository,
    private readonly credentials: CredentialService,
    private readonly sweeper: CredentialSweeper,
  ) {}

  /**
   * Deletes expired tokens, tokens that were revoked longer ago than `cleanup.revokedRetention`, and audit events older than
   * `audit.retention`. Refresh families are deleted with all their tokens after their absolute expiry; until then even
   * consumed tokens stay, so that their reuse is detected. Owners that no longer exist are forgotten, an hour after their first
   * credential at the earliest, and sweeps that other nodes left behind are continued. Runs by `cleanup.schedule`; call it to run it now. One node works
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
    const ago = (seconds: number) => later(now, -seconds);
    const revokedBefore = ago(this.config.cleanup.revokedRetention);
    const sealedBefore = ago(MAX_REUSE_LEEWAY);
    const { retention } = this.config.audit;

    await this.sweeper.drain();
    const run = (deleteBatch: (manager: EntityManager) => Promise<number>) => this.drain(batchSize, deleteBatch);
    const expired = await run((manager) => rows.deleteExpiredTokens(manager, now, batchSize));
    const revoked = await run((manager) => rows.deleteRevokedTokens(manager, revokedBefore, batchSize));
    const refreshTokens = await run((manager) => rows.deleteEndedRefreshTokens(manager, now, batchSize));
    const families = await run((manager) => rows.deleteEndedFamilies(manager, now, batchSize));
    const sealed = await run((manager) => rows.forgetSealedSuccessors(manager, sealedBefore, batchSize));
    const events = await run(async (manager) =>
      retention === undefined ? 0 : rows.deleteAuditEvents(manager, ago(retention), batchSize),
    );
    const forgottenOwners = await this.forgetOwners(ago(OWNER_MARGIN_SECONDS));
    return {
      expiredTokens: expired.count,
      revokedTokens: revoked.count,
      refreshFamilies: families.count,
      refreshTokens: refreshTokens.count,
      auditEvents: events.count,
      forgottenOwners,
      complete: [expired, revoked, refreshTokens, families, sealed, events].every(({ complete }) => complete),
    };
  }

  /** Forgets the owners that no longer exist. @returns their number */
  private async forgetOwners(before: Date): Promise<number> {
    const { forgetOwners = this.config.users.source.kind === 'entity' } = this.config.cleanup;
    if (!forgetOwners) return 0;
    let count = 0;
    let ids: readonly string[];
    let after = '';
    do {
      ids = await this.owners.listIds(after, before, OWNERS_PER_BATCH);
      const missing = ids.length === 0 ? [] : await this.users.missing(ids);
      for (const id of missing) await this.credentials.forget(id);
      count += missing.length;
      after = ids.at(-1) ?? '';
    } while (ids.length === OWNERS_PER_BATCH);
    return count;
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
