import { Injectable } from '@nestjs/common';
import { type AuditEvent, AuditEventEntity, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';

export interface EventPage {
  readonly events: readonly AuditEvent[];
  readonly nextCursor: string | null;
}

/** The events to show. */
export interface EventFilter {
  /** A token of the user. @default all tokens, and the account itself */
  readonly tokenId?: string | undefined;
  /** Whether to show refusals only. @default false */
  readonly refused?: boolean | undefined;
  /** Events before this time. @default now */
  readonly before?: Date | undefined;
}

/** Each condition has an index that also sorts: two of the demo, the others of Sigra. */
const OF_USER = [
  `event.actorId = :user AND event.actorType = 'user'`,
  `event.targetId = :user AND event.targetType = 'user'`,
  `event.metadata->>'userId' = :user`,
];
const OF_TOKEN = ['event.targetId = :token', `event.metadata->>'viaTokenId' = :token`];

/**
 * Finds the events of a user: their own actions, and what happened to their tokens, such as the use of a revoked one.
 * `AuditService.query()` filters by actor or target; this queries the library's table directly.
 */
@Injectable()
export class OwnEventsService {
  constructor(private readonly dataSource: DataSource) {}

  /** Lists a page of events, newest first. */
  async list(user: User, filter: EventFilter, limit: number, cursor?: string): Promise<EventPage> {
    const { tokenId: token, refused = false, before } = filter;
    const further = [
      ...(refused ? [`event.outcome = 'failure'`] : []),
      ...(before ? ['event.occurredAt < :before'] : []),
      ...(cursor === undefined ? [] : ['(event.occurredAt, event.id) < (:occurredAt, :last)']),
    ];
    // Each part stops at the limit, so that a long history costs no more than a short one.
    const parts = (token === undefined ? OF_USER : OF_TOKEN).map(
      (condition) => `(SELECT event.id FROM sigra_audit_events event WHERE ${[condition, ...further].join(' AND ')}
        ORDER BY event.occurredAt DESC, event.id DESC LIMIT ${limit + 1})`,
    );
    const position = cursor === undefined ? undefined : decodeCursor(cursor);
    const rows = await this.dataSource
      .createQueryBuilder(AuditEventEntity, 'event')
      .where(`event.id IN (${parts.join(' UNION ALL ')})`)
      .setParameters({ user: user.id, token, before, occurredAt: position?.createdAt, last: position?.id })
      .orderBy('event.occurredAt', 'DESC')
      .addOrderBy('event.id', 'DESC')
      .limit(limit + 1)
      .getMany();
    const events = rows.slice(0, limit);
    const last = events.at(-1);
    return { events, nextCursor: rows.length > limit && last ? encodeCursor(last.occurredAt, last.id) : null };
  }
}
