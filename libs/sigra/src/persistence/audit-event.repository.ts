import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CursorPosition, ListOrder } from '../common/cursor.js';
import { canHold, type Column } from './columns.js';
import { KEYSETS } from './keyset.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters } from './sql.js';
import type { NewRowOf } from './table.js';
import { type AuditEvent, auditEvents, type AuditOutcome } from './tables.js';

/** A row of `sigra_audit_events` to insert. */
export type NewAuditEventRow = NewRowOf<typeof auditEvents.columns>;

/** A statement that inserts events. */
export interface AuditInsertion {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The events to read: those that match all given properties. */
export interface AuditFilter {
  readonly action?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  readonly actorId?: string | undefined;
  /** With `actorId`, because owners of several types can have the same id. */
  readonly actorType?: string | undefined;
  readonly targetId?: string | undefined;
  readonly targetType?: string | undefined;
  /** Events at this time or later. */
  readonly from?: Date | undefined;
  /** Events before this time. */
  readonly to?: Date | undefined;
}

const CONDITIONS: Readonly<Record<keyof AuditFilter, string>> = {
  action: 'e.action =',
  outcome: 'e.outcome =',
  actorId: 'e.actor_id =',
  actorType: 'e.actor_type =',
  targetId: 'e.target_id =',
  targetType: 'e.target_type =',
  from: 'e.occurred_at >=',
  to: 'e.occurred_at <',
};

/** Reads and writes `sigra_audit_events`. */
@Injectable()
export class AuditEventRepository {
  constructor(private readonly database: SigraDatabase) {}

  /**
   * Makes the statement that inserts events, and asks the database nothing.
   *
   * @throws when a column cannot hold a value
   */
  insertion(events: readonly [NewAuditEventRow, ...NewAuditEventRow[]]): AuditInsertion {
    const parameters = new Parameters();
    const text = auditEvents.insert(this.database.names.auditEvents, events, parameters);
    return { text, values: parameters.values };
  }

  /**
   * Inserts events.
   *
   * @param manager the transaction to run in. @default a transaction of its own
   */
  async insert({ text, values }: AuditInsertion, manager?: EntityManager): Promise<void> {
    await this.database.query(text, values, manager);
  }

  /**
   * Reads events that match `filter`, after `position` in the given order.
   *
   * @param timeout milliseconds until the statement is cancelled. @default `lookupTimeout`
   */
  async find(
    filter: AuditFilter,
    order: ListOrder,
    limit: number,
    position?: CursorPosition,
    timeout?: number,
  ): Promise<AuditEvent[]> {
    const parameters = new Parameters();
    const clauses: string[] = [];
    for (const [name, condition] of Object.entries(CONDITIONS)) {
      const value = filter[name as keyof AuditFilter];
      if (value === undefined) continue;
      // No row has such a value, and PostgreSQL could reject the statement.
      if (isImpossible(name as keyof AuditFilter, value)) return [];
      clauses.push(`${condition} ${parameters.add(value)}`);
    }
    const { beyond, direction } = KEYSETS[order];
    if (position) {
      clauses.push(
        `(e.occurred_at, e.id) ${beyond} (${parameters.add(position.createdAt)}, ${parameters.add(position.id)})`,
      );
    }
    const rows = await this.database.query<{ event: string }>(
      `SELECT ${auditEvents.packed('e')} AS event FROM ${this.database.names.auditEvents} e
       ${clauses.length > 0 ? `WHERE ${clauses.join(' AND ')}` : ''}
       ORDER BY e.occurred_at ${direction}, e.id ${direction} LIMIT ${parameters.add(limit)}`,
      parameters.values,
      undefined,
      timeout,
    );
    return rows.map(({ event }) => auditEvents.unpack(event));
  }
}

/** Whether no row can have a value, such as a string that is longer than its column allows. */
function isImpossible(name: keyof AuditFilter, value: unknown): boolean {
  if (name === 'from' || name === 'to') return false;
  if (typeof value !== 'string') return typeof value === 'object';
  return !canHold(auditEvents.columns[name] as Column<string | null>, value);
}
