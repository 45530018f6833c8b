import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { PagePosition } from './api-token.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { timeColumn, withDates } from './time-column.js';

export interface AuditEventRow {
  readonly id: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor_id: string | null;
  readonly actor_type: string;
  readonly target_id: string | null;
  readonly target_type: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly occurred_at: Date;
}

/** What an event is searched by; all that is given must hold. */
export interface AuditEventConditions {
  readonly action?: string | undefined;
  readonly outcome?: string | undefined;
  readonly actorId?: string | undefined;
  readonly targetId?: string | undefined;
  readonly targetType?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

const TYPES = {
  id: 'uuid',
  action: 'text',
  outcome: 'text',
  actor_id: 'text',
  actor_type: 'text',
  target_id: 'text',
  target_type: 'text',
  metadata: 'jsonb',
  ip_address: 'text',
  user_agent: 'text',
  occurred_at: 'timestamptz',
} as const satisfies Record<keyof AuditEventRow, string>;
const COLUMNS = Object.keys(TYPES) as readonly (keyof AuditEventRow)[];
const SELECTED = COLUMNS.map((column) =>
  column === 'occurred_at' ? `${timeColumn('e.occurred_at')} AS occurred_at` : `e.${column}`,
);

/** Every statement on `sigra_audit_events`. */
@Injectable()
export class AuditEventRepository {
  private readonly table: string;

  constructor(private readonly database: SigraDatabase) {
    this.table = database.tables.auditEvents;
  }

  /** Inserts events in one statement, in the transaction of `manager` where one is given. */
  async insert(events: readonly AuditEventRow[], manager?: EntityManager): Promise<void> {
    const values = events.flatMap(valuesOf);
    const places = events.map(
      (_, row) => `(${COLUMNS.map((_column, index) => `$${row * COLUMNS.length + index + 1}`).join(', ')})`,
    );
    await this.database.query(
      `INSERT INTO ${this.table} (${COLUMNS.join(', ')}) VALUES ${places.join(', ')}`,
      values,
      manager,
    );
  }

  /**
   * The insertion of an event as a part of a larger statement, once for every row of `source`.
   *
   * @param firstParameter the number of the first parameter that is free
   */
  insertFor(source: string, event: AuditEventRow, firstParameter: number): { sql: string; values: unknown[] } {
    const places = COLUMNS.map((column, index) => `$${firstParameter + index}::${TYPES[column]}`);
    return {
      sql: `INSERT INTO ${this.table} (${COLUMNS.join(', ')}) SELECT ${places.join(', ')} FROM ${source}`,
      values: valuesOf(event),
    };
  }

  /**
   * Events that meet the conditions, after `position` in the given order of time.
   *
   * @param timeout in milliseconds. @default as long as a request may wait
   */
  async find(
    conditions: AuditEventConditions,
    order: 'newest' | 'oldest',
    limit: number,
    position?: PagePosition,
    timeout?: number,
  ): Promise<AuditEventRow[]> {
    const { clauses, values } = this.where(conditions);
    // No row has a NUL in it, and the database would only fail on one.
    if (values.some((value) => typeof value === 'string' && value.includes('\0'))) return [];
    if (position) {
      values.push(position.createdAt, position.id);
      const beyond = order === 'newest' ? '<' : '>';
      clauses.push(`(e.occurred_at, e.id) ${beyond} ($${values.length - 1}, $${values.length})`);
    }
    values.push(limit);
    const direction = order === 'newest' ? 'DESC' : 'ASC';
    const rows = await this.database.query(
      `SELECT ${SELECTED.join(', ')} FROM ${this.table} e
       ${clauses.length > 0 ? `WHERE ${clauses.join(' AND ')}` : ''}
       ORDER BY e.occurred_at ${direction}, e.id ${direction} LIMIT $${values.length}`,
      values,
      undefined,
      timeout,
    );
    return withDates<AuditEventRow>(rows, ['occurred_at']);
  }

  async deleteBefore(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH doomed AS MATERIALIZED (
         SELECT id FROM ${this.table} WHERE occurred_at < $1 ORDER BY occurred_at LIMIT $2 FOR UPDATE SKIP LOCKED
       ), deleted AS (
         DELETE FROM ${this.table} e USING doomed WHERE e.id = doomed.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM deleted`,
      [before, limit],
      manager,
    );
    return rows[0]?.count ?? 0;
  }

  private where(conditions: AuditEventConditions): { clauses: string[]; values: unknown[] } {
    const clauses: string[] = [];
    const values: unknown[] = [];
    const add = (expression: string, value: unknown) => {
      if (value === undefined) return;
      values.push(value);
      clauses.push(`${expression} $${values.length}`);
    };
    add('action =', conditions.action);
    add('outcome =', conditions.outcome);
    add('actor_id =', conditions.actorId);
    add('target_id =', conditions.targetId);
    add('target_type =', conditions.targetType);
    add('occurred_at >=', conditions.from);
    add('occurred_at <', conditions.to);
    return { clauses, values };
  }
}

function valuesOf(event: AuditEventRow): unknown[] {
  return COLUMNS.map((column) => (column === 'metadata' ? JSON.stringify(event.metadata) : event[column]));
}
