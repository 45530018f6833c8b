import { type BeforeApplicationShutdown, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { NewAuditEvent } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { BackgroundTask } from '../common/background-task.js';
import { Clock } from '../common/clock.js';
import type { ApiTokenRow } from '../persistence/api-token-row.js';

/** Where a credential came from. */
export interface RequestOrigin {
  /** For `last_used_ip` and the audit trail. */
  readonly ipAddress?: string | undefined;
  /** For the audit trail. */
  readonly userAgent?: string | undefined;
}

const FLUSH_INTERVAL_MS = 2000;
/** Rows of known tokens, and addresses with unknown ones, that one flush can hold. */
const MAX_PENDING = 1000;
const ELSEWHERE = 'other';

/**
 * Audit rows of refused tokens, written in the background: a refusal must cost the attacked service no transaction. A
 * known token gets a row for each refusal; unknown ones, which anybody can make up, one row per address and flush.
 */
@Injectable()
export class VerifyFailureRecorder implements BeforeApplicationShutdown, OnApplicationShutdown {
  private known: NewAuditEvent[] = [];
  private unknown = new Map<string, number>();
  private dropped = 0;
  private readonly flushing: BackgroundTask;

  constructor(
    private readonly clock: Clock,
    private readonly audit: AuditWriter,
  ) {
    this.flushing = new BackgroundTask(
      FLUSH_INTERVAL_MS,
      () => this.write(),
      () => undefined, // logSafe has reported it
    );
  }

  recordKnown(token: ApiTokenRow, reason: string, origin: RequestOrigin): void {
    if (!this.audit.enabled) return;
    if (this.known.length >= MAX_PENDING) {
      this.dropped++;
      return;
    }
    this.known.push({
      action: 'api.token_verify.failure',
      outcome: 'failure',
      actorType: 'anonymous',
      targetId: token.id,
      targetType: 'api_token',
      metadata: { reason, userId: token.user_id },
      ipAddress: origin.ipAddress,
      userAgent: origin.userAgent,
      occurredAt: this.clock.now(),
    });
    this.flushing.request();
  }

  recordUnknown(origin: RequestOrigin): void {
    if (!this.audit.enabled) return;
    const ip = origin.ipAddress ?? ELSEWHERE;
    const key = this.unknown.size < MAX_PENDING || this.unknown.has(ip) ? ip : ELSEWHERE;
    this.unknown.set(key, (this.unknown.get(key) ?? 0) + 1);
    this.flushing.request();
  }

  /** Writes what has been collected. */
  flush(): Promise<void> {
    return this.flushing.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  private async write(): Promise<void> {
    const { known, unknown, dropped } = this;
    this.known = [];
    this.unknown = new Map();
    this.dropped = 0;
    const counted = [...unknown].map(([ip, count]) => this.summary({ reason: 'unknown_token', count }, ip));
    const overflow = dropped > 0 ? [this.summary({ reason: 'not_recorded', count: dropped })] : [];
    await this.audit.logSafe([...known, ...counted, ...overflow]);
  }

  private summary(metadata: { reason: string; count: number }, ip: string = ELSEWHERE): NewAuditEvent {
    return {
      action: 'api.token_verify.failure',
      outcome: 'failure',
      actorType: 'anonymous',
      targetType: 'api_token',
      metadata,
      ipAddress: ip === ELSEWHERE ? null : ip,
      occurredAt: this.clock.now(),
    };
  }
}
