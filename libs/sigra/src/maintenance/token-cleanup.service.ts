import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { AdvisoryLock } from '../persistence/advisory-lock.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { AuditEventRepository } from '../persistence/audit-event.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';

export interface CleanupOptions {
  /** Rows deleted per transaction. @default `cleanup.batchSize` */
  readonly batchSize?: number | undefined;
}

/** What a clean-up deleted. */
export interface CleanupReport {
  readonly expiredTokens: number;
  readonly revokedTokens: number;
  readonly auditEvents: number;
  /** False when another node was cleaning up and this one left it the rest. */
  readonly complete: boolean;
}

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
    private readonly events: AuditEventRepository,
  ) {}

  /**
   * Deletes expired tokens, tokens that were revoked longer ago than `cleanup.revokedRetention`, and audit events past
   * `audit.retention`. Runs every night by `cleanup.schedule`; call it to run it inline. One node works at a time.
   *
   * @throws RangeError when `batchSize` is no whole number above 0
   */
  async cleanupExpiredTokens(options: CleanupOptions = {}): Promise<CleanupReport> {
    const batchSize = options.batchSize ?? this.config.cleanup.batchSize;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError('sigra: batchSize is a whole number above 0');
    }
    const now = this.clock.now();
    const { revokedRetention } = this.config.cleanup;
    const { retention } = this.config.audit;

    const expired = await this.drain(batchSize, (manager) => this.tokens.deleteExpired(manager, now, batchSize));
    const revoked = await this.drain(batchSize, (manager) =>
      this.tokens.deleteRevoked(manager, earlier(now, revokedRetention), batchSize),
    );
    const events =
      retention === undefined
        ? { deleted: 0, complete: true }
        : await this.drain(batchSize, (manager) =>
            this.events.deleteBefore(manager, earlier(now, retention), batchSize),
          );
    return {
      expiredTokens: expired.deleted,
      revokedTokens: revoked.deleted,
      auditEvents: events.deleted,
      complete: expired.complete && revoked.complete && events.complete,
    };
  }

  private async drain(batchSize: number, deleteBatch: DeleteBatch): Promise<{ deleted: number; complete: boolean }> {
    let deleted = 0;
    for (;;) {
      const batch = await this.database.transaction(async (manager) =>
        (await this.lock.tryAcquire(manager)) ? deleteBatch(manager) : undefined,
      );
      if (batch === undefined) return { deleted, complete: false };
      deleted += batch;
      if (batch < batchSize) return { deleted, complete: true };
    }
  }
}

function earlier(date: Date, seconds: number): Date {
  return new Date(date.getTime() - seconds * 1000);
}
