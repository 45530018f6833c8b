import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { decodeCursor, encodeCursor } from '../common/cursor.js';
import { SigraError } from '../common/sigra-error.js';
import {
  type AuditEventConditions,
  AuditEventRepository,
  type AuditEventRow,
} from '../persistence/audit-event.repository.js';
import type { AuditDetails, AuditEvent, AuditOutcome, JwtAuditAction, NewAuditEvent } from './audit-event.js';
import { AuditWriter } from './audit-writer.js';

/** Which events to read; everything that is given must hold. */
export interface AuditFilter {
  readonly action?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  readonly actorId?: string | undefined;
  readonly targetId?: string | undefined;
  readonly targetType?: string | undefined;
  /** Events of this instant and later. */
  readonly from?: Date | undefined;
  /** Events before this instant. */
  readonly to?: Date | undefined;
}

/** Which page of which events to read. */
export interface AuditQuery extends AuditFilter {
  /** Events per page, 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** A page of the trail. */
export interface AuditPage {
  /** Newest first. */
  readonly events: readonly AuditEvent[];
  /** For the next page; null on the last one. */
  readonly nextCursor: string | null;
}

const JWT_ACTIONS: ReadonlySet<string> = new Set<JwtAuditAction>([
  'api.jwt_refresh',
  'api.jwt_refresh_replay',
  'api.jwt_refresh_reuse',
]);
const RESERVED = /^(?:api|auth)\./;
const MAX_LIMIT = 1000;
const STREAM_PAGE = 500;

/** The durable trail: the host's own facts beside Sigra's, and everybody's way to read them. */
@Injectable()
export class AuditService {
  constructor(
    private readonly writer: AuditWriter,
    private readonly events: AuditEventRepository,
  ) {}

  /**
   * Records a fact of the host's own. Resolves even when the row could not be written: that is published on the
   * diagnostics channel `sigra:audit:log_safe_error`. To tie a fact to a change, use `append`.
   *
   * @param action a dotted name of the host's own, such as `project.delete`
   * @throws SigraError `reserved_action` when it begins with `api.` or `auth.`, `invalid_event` when it is empty
   */
  async log(action: string, details: AuditDetails = {}): Promise<void> {
    assertOwnAction(action);
    await this.writer.logSafe([{ ...details, action }]);
  }

  /**
   * Records a fact in the host's transaction: it commits or rolls back with the rest, and an event that cannot be
   * written fails the transaction.
   *
   * @param manager the transaction's entity manager
   * @throws SigraError `reserved_action`, `invalid_event`
   */
  async append(manager: EntityManager, event: NewAuditEvent): Promise<void> {
    assertOwnAction(event.action);
    await this.writer.append(manager, event);
  }

  /**
   * Records a step of a refresh in the host's transaction, for hosts that run a refresh of their own. `SigraJwtService`
   * records its steps itself: after `refresh` this would make a second row of the same fact.
   *
   * @throws SigraError `reserved_action` for any action but `api.jwt_refresh`, `api.jwt_refresh_replay` and
   * `api.jwt_refresh_reuse`
   */
  async appendJwtAudit(
    manager: EntityManager,
    event: NewAuditEvent & { readonly action: JwtAuditAction },
  ): Promise<void> {
    if (!JWT_ACTIONS.has(event.action)) {
      throw new SigraError('reserved_action', 'Only the steps of a refresh can be recorded here.');
    }
    await this.writer.append(manager, event);
  }

  /**
   * Records `api.jwt_refresh` for a user, for hosts that run a refresh of their own. Resolves even when the row could not
   * be written, like `log`. Do not call it after `SigraJwtService.refresh`, which has recorded it already.
   */
  async auditJwtRefresh(userId: string, details: AuditDetails = {}): Promise<void> {
    await this.logJwt('api.jwt_refresh', 'success', userId, details);
  }

  /** Records `api.jwt_refresh_reuse` for a user; as `auditJwtRefresh`. */
  async auditJwtRefreshReuse(userId: string, details: AuditDetails = {}): Promise<void> {
    await this.logJwt('api.jwt_refresh_reuse', 'failure', userId, details);
  }

  /**
   * Reads events, newest first.
   *
   * @throws SigraError `invalid_limit`, `invalid_cursor`
   */
  async query(query: AuditQuery = {}): Promise<AuditPage> {
    const { limit = 50, cursor, ...filter } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new SigraError('invalid_limit', `The limit is a whole number from 1 to ${MAX_LIMIT}.`);
    }
    const position = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.events.find(conditionsOf(filter), 'newest', limit + 1, position);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      events: page.map(toEvent),
      nextCursor: rows.length > limit && last ? encodeCursor(last.occurred_at, last.id) : null,
    };
  }

  /** Reads all events that match, oldest first, a page at a time: for exports of any size. */
  async *stream(filter: AuditFilter = {}): AsyncGenerator<AuditEvent, void, undefined> {
    let last: AuditEventRow | undefined;
    do {
      const position = last && { createdAt: last.occurred_at, id: last.id };
      const rows = await this.events.find(conditionsOf(filter), 'oldest', STREAM_PAGE, position, Infinity);
      for (const row of rows) yield toEvent(row);
      last = rows.length === STREAM_PAGE ? rows.at(-1) : undefined;
    } while (last);
  }

  private logJwt(action: JwtAuditAction, outcome: AuditOutcome, userId: string, details: AuditDetails): Promise<void> {
    return this.writer.logSafe([{ outcome, ...details, action, actorId: userId }]);
  }
}

function assertOwnAction(action: unknown): void {
  if (typeof action !== 'string' || action === '' || action.length > 255) {
    throw new SigraError('invalid_event', 'An audit event needs an action of 1 to 255 characters.');
  }
  if (RESERVED.test(action)) {
    throw new SigraError('reserved_action', 'Actions that begin with "api." or "auth." are recorded by Sigra alone.');
  }
}

function conditionsOf(filter: AuditFilter): AuditEventConditions {
  const { action, outcome, actorId, targetId, targetType, from, to } = filter;
  return { action, outcome, actorId, targetId, targetType, from, to };
}

function toEvent(row: AuditEventRow): AuditEvent {
  return {
    id: row.id,
    action: row.action,
    outcome: row.outcome === 'failure' ? 'failure' : 'success',
    actorId: row.actor_id,
    actorType: row.actor_type,
    targetId: row.target_id,
    targetType: row.target_type,
    metadata: row.metadata,
    ipAddress: row.ip_address,
    userAgent: row.user_agent,
    occurredAt: row.occurred_at,
  };
}
