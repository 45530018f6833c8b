import { Injectable } from '@nestjs/common';
import { type AuditEvent, AuditEventEntity, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';

export interface EventPage {
  readonly events: readonly AuditEvent[];
  readonly nextCursor: string | null;
}

/**
 * Finds the events of a user: their own actions, and what happened to their tokens, such as the use of a revoked one.
 * `AuditService.query()` filters by actor; this queries the library's table directly, with an index of the demo.
 */
@Injectable()
export class OwnEventsService {
  constructor(private readonly dataSource: DataSource) {}

  /** Lists a page of events, newest first. */
  async list({ id }: User, limit: number, cursor?: string): Promise<EventPage> {
    const query = this.dataSource
      .createQueryBuilder(AuditEventEntity, 'event')
      .where(`(event.actorId = :id OR event.metadata->>'userId' = :id)`, { id })
      .orderBy('event.occurredAt', 'DESC')
      .addOrderBy('event.id', 'DESC')
      .limit(limit + 1);
    if (cursor !== undefined) {
      const { createdAt, id: last } = decodeCursor(cursor);
      query.andWhere('(event.occurredAt, event.id) < (:occurredAt, :last)', { occurredAt: createdAt, last });
    }
    const rows = await query.getMany();
    const events = rows.slice(0, limit);
    const last = events.at(-1);
    return { events, nextCursor: rows.length > limit && last ? encodeCursor(last.occurredAt, last.id) : null };
  }
}
