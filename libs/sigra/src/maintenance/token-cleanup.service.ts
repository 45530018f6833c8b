import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { AdvisoryLock } from '../persistence/advisory-lock.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { AuditEventRepository } from '../persistence/audit-event.repository.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';

/** How a clean-up goes about it. */
export interface CleanupOptions {
  /** Rows deleted per transaction. @default `cleanup.batchSize` */
  readonly batchSize?: number | undefined;
}

/** What a clean-up deleted. */
export interface CleanupReport {
  readonly expiredTokens: number;
  readonly revokedTokens: number;
  /** Sign-ins past their absolute expiry. */
  readonly refreshFamilies: number;
  /** All tokens of those. */
  readonly refreshTokens: number;
  readonly auditEvents: number;
  /** False when another node was cleaning up and this one left it the rest. */
  readonly complete: boolean;
}

/** The longest window in which a sealed successor can be asked for, in seconds. */
const MAX_REUSE_LEEWAY = 60;
const LONGEST_REST_MS = 1000;

type DeleteBatch = (manager: EntityManager) => Promise<number>;

/** Deletes rows that no answer depends on any more, in small transactions that never wait for a lock. */
@Injectable()
export class TokenCleanupService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly lock: AdvisoryLock,
    private readonly tokens: ApiTokenRepository,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly events: AuditEventRepository,
  ) {}

  /**
   * Deletes expired tokens, tokens that were revoked longer ago than `cleanup.revokedRetention`, and audit events past
   * `audit.retention`. Refresh families go, with all their tokens, once their absolute expiry has passed; until then
   * even consumed tokens stay, so that their reuse is told. Runs every night by `cleanup.schedule`; call it to run it
   * inline. One node works at a time.
   *
   * @throws RangeError when `batchSize` is no whole number above 0
   */
  async cleanupExpiredTokens(options: CleanupOptions = {}): Promise<CleanupReport> {
    const { batchSize = this.config.cleanup.batchSize } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError('sigra: batchSize is a whole number above 0');
    }
    const now = this.clock.now();
    const { revokedRetention } = this.config.cleanup;
    const { retention } = this.config.audit;
    const run = (deleteBatch: DeleteBatch) => this.drain(batchSize, deleteBatch);

    const expired = await run((manager) => this.tokens.deleteExpired(manager, now, batchSize));
    const revoked = await run((manager) =>
      this.tokens.deleteRevoked(manager, earlier(now, revokedRetention), batchSize),
    );
    const refreshTokens = await run((manager) => this.refreshTokens.deleteEndedTokens(manager, now, batchSize));
    const families = await run((manager) => this.refreshTokens.deleteEndedFamilies(manager, now, batchSize));
    const sealed = await run((manager) =>
      this.refreshTokens.forgetSealed(manager, earlier(now, MAX_REUSE_LEEWAY), batchSize),
    );
    const events = await run(async (manager) =>
      retention === undefined ? 0 : this.events.deleteBefore(manager, earlier(now, retention), batchSize),
    );
    return {
      expiredTokens: expired.deleted,
      revokedTokens: revoked.deleted,
      refreshFamilies: families.deleted,
      refreshTokens: refreshTokens.deleted,
      auditEvents: events.deleted,
      complete: [expired, revoked, refreshTokens, families, sealed, events].every(({ complete }) => complete),
    };
  }

  private async drain(batchSize: number, deleteBatch: DeleteBatch): Promise<{ deleted: number; complete: boolean }> {
    let deleted = 0;
    for (;;) {
      const start = performance.now();
      // Nobody waits for it: a batch may take as long as the database needs.
      const batch = await this.database.transaction(
        async (manager) => ((await this.lock.tryAcquire(manager)) ? deleteBatch(manager) : undefined),
        Infinity,
      );
      if (batch === undefined) return { deleted, complete: false };
      deleted += batch;
      if (batch < batchSize) return { deleted, complete: true };
      // Requests come first: no more than half of the time goes to rows that nobody misses.
      await setTimeout(Math.min(performance.now() - start, LONGEST_REST_MS));
    }
  }
}

function earlier(date: Date, seconds: number): Date {
  return new Date(date.getTime() - seconds * 1000);
}
