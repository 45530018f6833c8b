import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BATCH_TIMEOUT_MS } from '../common/background-task.js';
import { Clock, later } from '../common/clock.js';
import { type CursorPosition, decodeCursor, pageOf, parsePageRequest } from '../common/cursor.js';
import { SigraError } from '../common/sigra-error.js';
import { isLongerThan } from '../common/storable-text.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { AuditEventRepository, type AuditFilter } from '../persistence/audit-event.repository.js';
import { type AuditEvent, type AuditOutcome, MAX_ACTION_LENGTH } from '../persistence/tables.js';
import { type AuditDetails, JWT_AUDIT_ACTIONS, type JwtAuditAction, type NewAuditEvent } from './audit-event.js';
import { AuditWriter } from './audit.writer.js';

/** The events to read: a filter and a page. */
export interface AuditQuery extends AuditFilter {
  /** Events per page, 1 to 1000. @default 50 */
  readonly limit?: number | undefined;
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
}

/** The events to stream. */
export interface AuditStream extends AuditFilter {
  /**
   * `encodeCursor(occurredAt, id)` of the last event that was processed: the stream begins after it.
   *
   * @default the oldest event
   */
  readonly cursor?: string | undefined;
}

/** A page of the audit trail. */
export interface AuditPage {
  /** Newest first. */
  readonly events: readonly AuditEvent[];
  /** The cursor of the next page; null on the last page. */
  readonly nextCursor: string | null;
}

const JWT_ACTIONS: ReadonlySet<string> = new Set(JWT_AUDIT_ACTIONS);
const RESERVED = /^(?:api|auth)\./;
const PAGE_SIZE = { default: 50, max: 1000 };
const STREAM_PAGE = 500;
/** No request waits for a page. */
const STREAM_TIMEOUT_MS = 30_000;
/** How far the clocks of nodes can differ until a consumer misses events, with the second that a cancelled commit can take. */
const CLOCK_ALLOWANCE_MS = 30_000;

/** The audit trail: records the application's own events and reads all events. */
@Injectable()
export class AuditService {
  constructor(
    private readonly writer: AuditWriter,
    private readonly events: AuditEventRepository,
    private readonly clock: Clock,
    @InjectSigraConfig() private readonly config: SigraConfig,
  ) {}

  /**
   * Records an event of the application. Resolves even when the row could not be written; the loss is published on the
   * diagnostics channel `sigra:audit:log_safe_error`. To commit an event together with a change, use `append`.
   *
   * @param action a dotted name, such as `project.delete`
   * @throws SigraError `reserved_action` when it begins with `api.` or `auth.`, `invalid_event` when it is empty or longer
   * than 255 characters
   */
  async log(action: string, details: AuditDetails = {}): Promise<void> {
    assertOwnAction(action);
    await this.writer.logSafe([action], () => [{ ...details, action }]);
  }

  /**
   * Records an event in the application's transaction: both commit, or both roll back. An event that cannot be written
   * makes the transaction fail.
   *
   * @param manager the transaction's entity manager
   * @throws SigraError `reserved_action`; `invalid_event` when JSON or the columns cannot hold the event, or when it is too large
   */
  async append(manager: EntityManager, event: NewAuditEvent): Promise<void> {
    assertOwnAction(event.action);
    await this.writer.append(manager, event);
  }

  /**
   * Records a step of a refresh in the application's transaction, for applications with a refresh of their own. Do not
   * call it for `SigraJwtService.refresh`, which records its steps itself.
   *
   * @throws SigraError `reserved_action` for any action except `api.jwt_refresh`, `api.jwt_refresh_replay` and
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
   * Records `api.jwt_refresh` for a user, for applications with a refresh of their own. Like `log`, it resolves even
   * when the row could not be written. Do not call it for `SigraJwtService.refresh`, which records its steps itself.
   */
  async auditJwtRefresh(userId: string, details: AuditDetails = {}): Promise<void> {
    await this.logJwt('api.jwt_refresh', 'success', userId, details);
  }

  /** Records `api.jwt_refresh_reuse` for a user, like `auditJwtRefresh`. */
  async auditJwtRefreshReuse(userId: string, details: AuditDetails = {}): Promise<void> {
    await this.logJwt('api.jwt_refresh_reuse', 'failure', userId, details);
  }

  /**
   * Reads events, newest first.
   *
   * @throws SigraError `invalid_limit`, `invalid_cursor`
   */
  async query(query: AuditQuery = {}): Promise<AuditPage> {
    const { limit, position } = parsePageRequest(query, PAGE_SIZE);
    const events = await this.events.find(query, 'newest', limit + 1, position);
    const { items, nextCursor } = pageOf(events, limit, ({ occurredAt }) => occurredAt);
    return { events: items, nextCursor };
  }

  /**
   * Streams all events that match, oldest first, in pages, for exports of any size and for consumers that continue where
   * they stopped.
   *
   * @throws SigraError `invalid_cursor`
   */
  async *stream({ cursor, ...filter }: AuditStream = {}): AsyncGenerator<AuditEvent, void, undefined> {
    let position = cursor === undefined ? undefined : decodeCursor(cursor);
    do {
      const events = await this.pageOfStream(filter, position);
      yield* events;
      const last = events.length === STREAM_PAGE ? events.at(-1) : undefined;
      position = last && { createdAt: last.occurredAt, id: last.id };
    } while (position);
  }

  /** Reads a page again when its connection is lost: an export can take hours. */
  private async pageOfStream(filter: AuditFilter, position: CursorPosition | undefined): Promise<AuditEvent[]> {
    const read = () => this.events.find(filter, 'oldest', STREAM_PAGE, position, STREAM_TIMEOUT_MS);
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof SigraError)) throw error;
      return read();
    }
  }

  /**
   * The time before which the audit trail is complete, for a consumer that passes it as `to` and continues after its last event: an
   * event of Sigra with an earlier time does not become visible any more. It is the present, minus the longest transaction
   * (`lookupTimeout`, but at least 30 seconds), and minus 30 seconds for the clocks of nodes.
   *
   * An event of the application can still be earlier, if it has an `occurredAt` of its own, or if its transaction takes longer.
   */
  settledBefore(): Date {
    const transactionMs = Math.max(this.config.lookupTimeout, BATCH_TIMEOUT_MS);
    return later(this.clock.now(), -(transactionMs + CLOCK_ALLOWANCE_MS) / 1000);
  }

  private logJwt(action: JwtAuditAction, outcome: AuditOutcome, userId: string, details: AuditDetails): Promise<void> {
    return this.writer.logSafe([action], () => [{ outcome, ...details, action, actorId: userId }]);
  }
}

function assertOwnAction(action: unknown): void {
  if (typeof action !== 'string' || action === '' || isLongerThan(action, MAX_ACTION_LENGTH)) {
    throw new SigraError('invalid_event', `An audit event needs an action of 1 to ${MAX_ACTION_LENGTH} characters.`);
  }
  if (RESERVED.test(action)) {
    throw new SigraError('reserved_action', 'Actions that begin with "api." or "auth." are reserved for Sigra.');
  }
}
