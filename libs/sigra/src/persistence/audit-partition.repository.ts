import { Injectable } from '@nestjs/common';
import { BATCH_TIMEOUT_MS } from '../common/background-task.js';
import { literal, qualified } from './qualified-names.js';
import { SigraDatabase } from './sigra-database.js';

/** A partition of the audit events. */
export interface AuditPartition {
  /** Qualified and quoted. */
  readonly name: string;
  /** Its first time; null for one without a beginning, and for the default one. */
  readonly from: Date | null;
  /** The time after it; null for the default one, which has the events of no other partition. */
  readonly to: Date | null;
}

/** The partitions of the audit events. */
export interface AuditPartitions {
  readonly schema: string;
  /** The name of the table, without quotes. */
  readonly table: string;
  /** The name of its owner, quoted. */
  readonly owner: string;
  /** Whether the role of the connection has the rights of that owner. */
  readonly isOwned: boolean;
  readonly all: readonly AuditPartition[];
}

/** Milliseconds for which statements of the application queue behind one that waits for its lock. */
const LOCK_TIMEOUT_MS = 50;

/** Reads, makes and drops the partitions of the audit events, if `sigraPartitionMigrations` have made it a partitioned table. */
@Injectable()
export class AuditPartitionRepository {
  constructor(private readonly database: SigraDatabase) {}

  /** @returns undefined for a table without partitions */
  async find(): Promise<AuditPartitions | undefined> {
    // The text of a bound depends on the settings of the session, which read it as well.
    const bound = (word: string) =>
      `floor(extract(epoch FROM (regexp_match(pg_get_expr(p.relpartbound, p.oid), '${word} \\(''([^'']+)''\\)'))[1]::timestamptz) * 1000)`;
    const [row] = await this.database.query<{ found: string }>(
      `SELECT json_build_object('schema', n.nspname, 'table', c.relname, 'owner', quote_ident(pg_get_userbyid(c.relowner)),
         'isOwned', pg_has_role(c.relowner, 'USAGE'), 'all', (
         SELECT coalesce(json_agg(json_build_object(
           'schema', s.nspname, 'name', p.relname, 'from', ${bound('FROM')}, 'to', ${bound('TO')}) ORDER BY p.relname), '[]')
         FROM pg_catalog.pg_inherits i
         JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid
         JOIN pg_catalog.pg_namespace s ON s.oid = p.relnamespace
         WHERE i.inhparent = c.oid))::text AS found
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.oid = to_regclass($1) AND c.relkind = 'p'`,
      [this.database.names.auditEvents],
    );
    if (!row) return undefined;
    const { all, ...partitioned } = JSON.parse(row.found) as FoundPartitions;
    const timeOf = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds));
    return {
      ...partitioned,
      all: all.map(({ schema: own, name, from, to }) => ({
        name: qualified(own, name),
        from: timeOf(from),
        to: timeOf(to),
      })),
    };
  }

  /**
   * Makes the partition of a time, with the events of this time that the default partition has.
   *
   * @throws SigraError `unavailable`, also when the role may not, or a lock is not free
   */
  async add({ schema, table, owner, all }: AuditPartitions, from: Date, to: Date): Promise<void> {
    const { auditEvents } = this.database.names;
    const partition = qualified(schema, `${table}_${from.toISOString().slice(0, 7).replace('-', '_')}`);
    const others = all.find((each) => each.to === null);
    const bounds = [from, to].map((time) => literal(time.toISOString()));
    await this.change([
      `CREATE TABLE ${partition} (LIKE ${auditEvents} INCLUDING DEFAULTS)`,
      // Otherwise only the role of this clean-up could drop it.
      `ALTER TABLE ${partition} OWNER TO ${owner}`,
      ...(others
        ? [
            `WITH moved AS (
               DELETE FROM ${others.name} WHERE occurred_at >= ${bounds[0]} AND occurred_at < ${bounds[1]} RETURNING *)
             INSERT INTO ${partition} SELECT * FROM moved`,
          ]
        : []),
      `ALTER TABLE ${auditEvents} ATTACH PARTITION ${partition} FOR VALUES FROM (${bounds[0]}) TO (${bounds[1]})`,
    ]);
  }

  /** Drops a partition with its events. @throws SigraError `unavailable`, also when the role may not, or a lock is not free */
  async drop({ name }: AuditPartition): Promise<void> {
    await this.change([`DROP TABLE ${name}`]);
  }

  private change(statements: readonly string[]): Promise<void> {
    return this.database.transaction(
      async (manager) => {
        for (const statement of [`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`, ...statements]) {
          await this.database.query(statement, [], manager);
        }
      },
      BATCH_TIMEOUT_MS,
      { settles: false },
    );
  }
}

interface FoundPartitions extends Omit<AuditPartitions, 'all'> {
  readonly all: readonly {
    readonly schema: string;
    readonly name: string;
    readonly from: number | null;
    readonly to: number | null;
  }[];
}
