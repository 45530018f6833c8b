import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Clock } from '../common/clock.js';
import { MAX_IP_LENGTH, MAX_USER_AGENT_LENGTH, storableText } from '../common/storable-text.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { AuditEventRepository, type AuditEventRow } from '../persistence/audit-event.repository.js';
import { sqlState } from '../persistence/sigra-database.js';
import { type AuditLogSafeError, auditLogSafeError } from '../telemetry/channels.js';
import type { NewAuditEvent } from './audit-event.js';

/** Writes Sigra's own events. Switched off, it writes nothing and refuses nothing. */
@Injectable()
export class AuditWriter {
  private readonly logger = new Logger(AuditWriter.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly events: AuditEventRepository,
  ) {}

  get enabled(): boolean {
    return this.config.audit.enabled;
  }

  /**
   * Records a change in the transaction that makes it: both are there afterwards, or neither.
   *
   * @throws SigraError `invalid_event` when JSON or the columns cannot hold the event
   */
  async append(manager: EntityManager, event: NewAuditEvent): Promise<void> {
    if (!this.enabled) return;
    try {
      await this.events.insert([this.toRow(event)], manager);
    } catch (error) {
      if (reasonOf(error) !== 'invalid_event') throw error;
      throw new SigraError('invalid_event', 'The audit event cannot be stored.', { cause: error });
    }
  }

  /**
   * Records facts that no change depends on. A failure is published on `sigra:audit:log_safe_error` and logged, and
   * never fails the caller.
   */
  async logSafe(events: readonly NewAuditEvent[]): Promise<void> {
    if (!this.enabled || events.length === 0) return;
    try {
      await this.events.insert(events.map((event) => this.toRow(event)));
    } catch (error) {
      const actions = events.map((event) => event.action);
      const message: AuditLogSafeError = { reason: reasonOf(error), actions, error };
      auditLogSafeError.publish(message);
      this.logger.warn(`${events.length} audit event(s) lost (${message.reason}): ${[...new Set(actions)].join(', ')}`);
    }
  }

  /** The row of an event, for a statement that makes the change as well; nothing where audit is off. */
  rowOf(event: NewAuditEvent): AuditEventRow | undefined {
    return this.enabled ? this.toRow(event) : undefined;
  }

  private toRow(event: NewAuditEvent): AuditEventRow {
    return {
      id: uuidv7(),
      action: event.action,
      outcome: event.outcome ?? 'success',
      actor_id: event.actorId ?? null,
      actor_type: event.actorType ?? (event.actorId == null ? 'system' : 'user'),
      target_id: event.targetId ?? null,
      target_type: event.targetType ?? null,
      metadata: event.metadata ?? {},
      ip_address: event.ipAddress == null ? null : storableText(event.ipAddress, MAX_IP_LENGTH),
      user_agent: event.userAgent == null ? null : storableText(event.userAgent, MAX_USER_AGENT_LENGTH),
      occurred_at: validTime(event.occurredAt ?? this.clock.now()),
    };
  }
}

function validTime(time: Date): Date {
  if (Number.isNaN(time.getTime())) throw new RangeError('sigra: occurredAt is no time');
  return time;
}

function reasonOf(error: unknown): AuditLogSafeError['reason'] {
  if (error instanceof SigraError) return 'unavailable';
  const state = sqlState(error);
  if (state?.startsWith('23')) return 'constraint_violation';
  // Data that the columns cannot hold, or, without a state, that JSON cannot say.
  return state === undefined || state.startsWith('22') ? 'invalid_event' : 'unavailable';
}
