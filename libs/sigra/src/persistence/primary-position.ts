import type { PreparedStatement } from './prepared-statement.js';
import { preparedStatement } from './prepared-statement.js';
import { literal } from './qualified-names.js';

/** A position in the WAL of the primary, which includes every commit that was confirmed before it was asked for. */
export interface PrimaryPosition {
  /** When it was asked for, in milliseconds of `performance.now()`. */
  readonly at: number;
  /** The same, in milliseconds of `Date.now()`: the other clock stands still while a machine is suspended. */
  readonly wallAt: number;
  readonly lsn: string;
  /** What a standby with the same history says of itself; see `proofOf`. */
  readonly witness: string;
}

/** A row of `POSITION`. */
export interface PositionRow {
  readonly lsn: string;
  readonly file: string;
  readonly system: string;
}

const OWNERS_SEEN = 'all owners';
const SYSTEM = `(SELECT system_identifier FROM pg_control_system())::text || ' ' || current_database()`;

/**
 * The position of the primary, with its timeline in the name of the file. An error on a standby. It is the position of inserted
 * WAL: with `synchronous_commit = off`, a commit is confirmed before it is flushed.
 */
export const POSITION: PreparedStatement = preparedStatement(
  `SELECT pg_current_wal_insert_lsn()::text AS lsn, pg_walfile_name(pg_current_wal_insert_lsn()) AS file, ${SYSTEM} AS system`,
);

/** A row of `proofOf`. */
export interface ProofRow {
  /** What the standby has replayed; null for a server that never was one. */
  readonly replayed: string | null;
  /** Null when it has not replayed the position `$1`. */
  readonly witness: string | null;
}

/**
 * Shows that a standby has replayed the position `$1`, and has the history of the primary. CASE lets it read the timeline after
 * the position: what it had replayed is then on that timeline, too. A promoted server, one that does not stream, and a role
 * without `pg_read_all_stats` have none. So has a role from which row-level security hides owners: one that it does not see would
 * have its first epoch.
 *
 * @param owners the qualified name of the table of owners
 */
export function proofOf(owners: string): PreparedStatement {
  return preparedStatement(
    `SELECT pg_last_wal_replay_lsn()::text AS replayed, CASE WHEN pg_last_wal_replay_lsn() >= $1::pg_lsn THEN
       coalesce((SELECT received_tli FROM pg_stat_get_wal_receiver())::text, 'none') || ' ' || ${SYSTEM} || ' '
       || current_setting('transaction_isolation') || ' '
       || CASE WHEN row_security_active(${literal(owners)}) THEN 'owners hidden' ELSE '${OWNERS_SEEN}' END END AS witness`,
  );
}

/** @param at see `PrimaryPosition` */
export function positionOf({ lsn, file, system }: PositionRow, at: number, wallAt: number): PrimaryPosition {
  // The statement that follows has a snapshot of its own only with this isolation level.
  const witness = `${Number.parseInt(file.slice(0, 8), 16)} ${system} read committed ${OWNERS_SEEN}`;
  return { at, wallAt, lsn, witness };
}

/** Whether the WAL up to `lsn` is part of that up to `replayed`. */
export function includes(replayed: string, lsn: string): boolean {
  return valueOf(replayed) >= valueOf(lsn);
}

function valueOf(lsn: string): bigint {
  const [high = '0', low = '0'] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
