import { Injectable } from '@nestjs/common';
import { AuditEventEntity, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';

export interface EventPage {
  readonly events: readonly AuditEventEntity[];
  readonly nextCursor: string | null;
}

/**
 * What concerns a user: what they did, and what was done with their tokens, such as somebody trying a revoked one.
 * `AuditService.query()` finds events by who acted; this asks the library's table itself, by an index of the demo's own.
 */
@Injectable()
export class OwnEventsService {
  constructor(private readonly dataSource: DataSource) {}

  /** A page of events, newest first. */
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
