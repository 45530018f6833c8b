import { Injectable, Logger } from '@nestjs/common';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import {
  AuditEventRepository,
  type AuditInsertion,
  type NewAuditEventRow,
} from '../persistence/audit-event.repository.js';
import { sqlState } from '../persistence/database-error.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { AuditEvent } from '../persistence/tables.js';
import { type AuditLogSafeError, auditLogSafeError } from '../telemetry/channels.js';
import { type AuditedChange, eventOf, type NewAuditEvent } from './audit-event.js';
import { ChangeHooks } from './change.hooks.js';

const MAX_PER_STATEMENT = 1000;

/** Writes audit events. With `audit.enabled: false`, it writes nothing and never rejects. */
@Injectable()
export class AuditWriter {
  private readonly logger = new Logger(AuditWriter.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly events: AuditEventRepository,
    private readonly hooks: ChangeHooks,
  ) {}

  /** `audit.enabled`. */
  get enabled(): boolean {
    return this.config.audit.enabled;
  }

  /** Records a change by Sigra, in the transaction that makes it. */
  record(manager: EntityManager, change: AuditedChange, caller: Caller): Promise<void> {
    return this.append(manager, eventOf(change, caller, this.config.users.type));
  }

  /** Records several changes by Sigra, in the transaction that makes them. */
  recordAll(manager: EntityManager, changes: readonly AuditedChange[], caller: Caller): Promise<void> {
    return this.append(manager, ...changes.map((change) => eventOf(change, caller, this.config.users.type)));
  }

  /**
   * Records events in a transaction: all commit, or all roll back. Their hooks are called after the commit, also when audit
   * is off.
   *
   * @throws SigraError `invalid_event` when JSON or the columns cannot hold an event
   */
  async append(manager: EntityManager, ...events: readonly NewAuditEvent[]): Promise<void> {
    const rows = storable(() => events.map((event) => this.toRow(event)));
    if (this.enabled) for (const insertion of this.insertionsOf(rows)) await this.events.insert(insertion, manager);
    const hooked = rows.filter(({ action }) => this.hooks.has(action));
    if (hooked.length === 0) return;
    this.database.onCommit(manager, () => {
      for (const row of hooked) this.hooks.call(row);
    });
  }

  /**
   * Records events that no change depends on, a thousand in a turn of the event loop. Never rejects: a failure is published
   * on `sigra:audit:log_safe_error` and logged. A statement that fails loses only its own events, unless the database does
   * not answer.
   *
   * @param actions those of the events
   * @param make makes the events, of details that the application gave: a getter in them can throw
   */
  async logSafe(actions: readonly string[], make: () => readonly NewAuditEvent[]): Promise<void> {
    if (!this.enabled) return;
    for (let start = 0; start < actions.length; start += MAX_PER_STATEMENT) {
      const end = start + MAX_PER_STATEMENT;
      try {
        const rows = storable(() =>
          make()
            .slice(start, end)
            .map((event) => this.toRow(event)),
        );
        for (const insertion of this.insertionsOf(rows)) await this.events.insert(insertion);
      } catch (error) {
        const reason = reasonOf(error);
        const lost = actions.slice(start, reason === 'unavailable' ? undefined : end);
        auditLogSafeError.publish({ reason, actions: lost, error } satisfies AuditLogSafeError);
        this.logger.warn(`${lost.length} audit event(s) lost (${reason}): ${[...new Set(lost)].join(', ')}`);
        if (reason === 'unavailable') return;
      }
    }
  }

  /** Makes the row of an event, for a statement that also makes the change; undefined when audit is off. */
  rowOf(event: NewAuditEvent): AuditEvent | undefined {
    return this.enabled ? this.toRow(event) : undefined;
  }

  /**
   * All events are converted before the first is sent: whatever is wrong with one, such as a getter that throws, is decided
   * without the database.
   */
  private insertionsOf(rows: readonly NewAuditEventRow[]): AuditInsertion[] {
    return storable(() => {
      const insertions: AuditInsertion[] = [];
      // So that no statement takes long.
      for (let start = 0; start < rows.length; start += MAX_PER_STATEMENT) {
        const [first, ...others] = rows.slice(start, start + MAX_PER_STATEMENT);
        if (first) insertions.push(this.events.insertion([first, ...others]));
      }
      return insertions;
    });
  }

  private toRow(event: NewAuditEvent): AuditEvent {
    return {
      id: uuidv7(),
      action: event.action,
      outcome: event.outcome ?? 'success',
      actorId: event.actorId ?? null,
      actorType: event.actorType ?? (event.actorId == null ? 'system' : DEFAULT_OWNER_TYPE),
      targetId: event.targetId ?? null,
      targetType: event.targetType ?? null,
      metadata: event.metadata ?? {},
      ipAddress: event.ipAddress ?? null,
      userAgent: event.userAgent ?? null,
      occurredAt: event.occurredAt ?? this.clock.now(),
    };
  }
}

/** Makes something of events. Whatever throws is a mistake in an event. */
function storable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new SigraError('invalid_event', 'The audit event cannot be stored.', { cause });
  }
}

function reasonOf(error: unknown): AuditLogSafeError['reason'] {
  if (error instanceof SigraError) return error.code === 'invalid_event' ? 'invalid_event' : 'unavailable';
  return sqlState(error)?.startsWith('23') ? 'constraint_violation' : 'unavailable';
}
