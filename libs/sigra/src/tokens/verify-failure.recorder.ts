import { Injectable } from '@nestjs/common';
import type { NewAuditEvent } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import type { ApiToken } from '../persistence/tables.js';
import { BackgroundRecorder } from './background.recorder.js';

/** The most rows of known tokens, and the most addresses with unknown ones, in one flush. */
const MAX_PENDING = 1000;
const ELSEWHERE = 'other';

/**
 * Writes the audit rows of rejected tokens in the background, so that an attack does not cause a transaction per
 * request. Known tokens get a row for each rejection. Unknown tokens, which anyone can invent, get one row per address
 * and flush.
 */
@Injectable()
export class VerifyFailureRecorder extends BackgroundRecorder {
  private known: NewAuditEvent[] = [];
  private unknown = new Map<string, number>();
  private dropped = 0;

  constructor(
    private readonly clock: Clock,
    private readonly audit: AuditWriter,
  ) {
    super('Some refusals of tokens were not recorded');
  }

  /** Records the rejection of a stored token. */
  recordKnown(token: ApiToken, reason: string, caller: Caller): void {
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
      metadata: { reason, userId: token.ownerId },
      ipAddress: caller.ipAddress,
      userAgent: caller.userAgent,
      occurredAt: this.clock.now(),
    });
    this.requestWrite();
  }

  /** Counts the rejection of an unknown token. */
  recordUnknown(caller: Caller): void {
    if (!this.audit.enabled) return;
    const ip = caller.ipAddress ?? ELSEWHERE;
    const key = this.unknown.size < MAX_PENDING || this.unknown.has(ip) ? ip : ELSEWHERE;
    this.unknown.set(key, (this.unknown.get(key) ?? 0) + 1);
    this.requestWrite();
  }

  protected async write(): Promise<void> {
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
