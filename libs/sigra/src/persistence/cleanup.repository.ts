import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock, replacedTime } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime } from './columns.js';
import { idleEndSql } from './token-expiry.js';
import { OwnerDirectories } from './owner-directories.js';
import { SigraDatabase } from './sigra-database.js';

/** Longer than a batch may take. */
const LEASE_SECONDS = 60;

/** With the time, by which the table can have partitions. */
const EVENT_KEY = ['id', 'occurred_at'];

/** The rows that a clean-up statement deletes or updates. */
interface ObsoleteRows {
  readonly table: string;
  /** FROM and WHERE, with `table` as `t` and with `$1` as the time up to which rows are obsolete. */
  readonly from: string;
  /** Its parameters from `$3` on. @default none */
  readonly parameters?: readonly unknown[];
  readonly orderBy: string;
  /** Columns that identify a row. @default id */
  readonly key?: readonly string[];
  /** The SET list of an update. @default the rows are deleted */
  readonly set?: string;
}

/**
 * The statements of clean-up, for the credentials of one type of owners. Each processes one batch of rows, skips locked
 * rows, and never waits for a lock.
 */
@Injectable()
export class CleanupRepository {
  private readonly lease: string;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerDirectories,
  ) {
    this.lease = `cleanup:${config.users.type}`;
  }

  /**
   * Takes or renews the lease that limits clean-up of a type of owners to one node at a time. No connection or transaction
   * holds it, so it works through a transaction pooler, and a node that dies keeps it for a minute at most.
   *
   * @param holder the UUID of the run
   * @returns false when another run holds the lease
   */
  takeLease(holder: string): Promise<boolean> {
    // In a transaction: its isolation level does not depend on the settings of the application.
    const take = async (manager: EntityManager) => {
      const rows = await this.database.query(
        `INSERT INTO ${this.database.names.leases} AS l (name, holder, expires_at)
         VALUES ($3, $1, clock_timestamp() + make_interval(secs => $2))
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
           WHERE l.holder = excluded.holder OR l.expires_at <= clock_timestamp()
         RETURNING l.name`,
        [holder, LEASE_SECONDS, this.lease],
        manager,
      );
      return rows.length === 1;
    };
    return this.database.transaction(take, undefined, { settles: false });
  }

  /** The time of the database: a node whose clock is wrong must delete nothing that lives. */
  async now(): Promise<Date> {
    const { now } = await this.database.queryOne<{ now: string }>(
      `SELECT floor(extract(epoch FROM ${currentTime('$1')}) * 1000)::text AS now`,
      [replacedTime(this.clock)],
    );
    return new Date(Number(now));
  }

  /** Returns the lease, if the run still holds it. */
  async returnLease(holder: string): Promise<void> {
    await this.database.query(`DELETE FROM ${this.database.names.leases} WHERE name = $2 AND holder = $1`, [
      holder,
      this.lease,
    ]);
  }

  /**
   * Deletes up to `limit` unrevoked tokens that expired at `now` or earlier; those that a rotation replaced, at
   * `replacedBefore` or earlier.
   */
  deleteExpiredTokens(manager: EntityManager, now: Date, replacedBefore: Date, limit: number): Promise<number> {
    const table = this.database.names.apiTokens;
    const from = `${table} t WHERE ${this.ofTypes('t')} AND t.revoked_at IS NULL AND t.expires_at <= $1
      AND (t.replaced_by IS NULL OR t.expires_at <= $3)`;
    return this.take(manager, { table, from, parameters: [replacedBefore], orderBy: 't.expires_at' }, now, limit);
  }

  /**
   * Deletes those of the next `limit` tokens that `idleTtl` ended at `now` or earlier. In the order of the ids, because an
   * index of last uses would make each recording of a use dearer. A token with living descendants stays, so that they can be
   * revoked with it, and so does one that a rotation replaced: it also expires.
   *
   * @param after the id after which it begins
   * @returns the number of deleted rows, and the id of the last row that was looked at; null when there was none
   */
  async deleteUnusedTokens(
    manager: EntityManager,
    now: Date,
    after: string,
    limit: number,
  ): Promise<{ readonly count: number; readonly last: string | null }> {
    const { apiTokens: table, refreshFamilies } = this.database.names;
    const isUnused = `${this.ofTypes('t')} AND t.revoked_at IS NULL AND t.replaced_by IS NULL
      AND ${idleEndSql('t', this.config.apiTokens)} <= $1`;
    const hasMade = (credentials: string) => `EXISTS (SELECT FROM ${credentials} made
      WHERE made.descends_from && ARRAY[coalesce(t.origin_id, t.id)] AND made.descends_from <> '{}' AND made.revoked_at IS NULL)`;
    const { count, last } = await this.database.queryOne<{ count: number | string; last: string | null }>(
      `WITH seen AS MATERIALIZED (
         SELECT t.id, ${isUnused} AS is_unused FROM ${table} t WHERE t.id > $3 ORDER BY t.id LIMIT $2
       ), obsolete AS MATERIALIZED (
         SELECT t.id FROM ${table} t
         WHERE t.id = ANY (ARRAY(SELECT id FROM seen WHERE is_unused)) AND ${isUnused}
           AND NOT ${hasMade(table)} AND NOT ${hasMade(refreshFamilies)}
         FOR UPDATE OF t SKIP LOCKED
       ), taken AS (DELETE FROM ${table} t USING obsolete WHERE t.id = obsolete.id RETURNING 1)
       SELECT (SELECT count(*)::int FROM taken) AS count, (SELECT id FROM seen ORDER BY id DESC LIMIT 1) AS last`,
      [now, limit, after],
      manager,
    );
    return { count: Number(count), last };
  }

  /** Deletes up to `limit` tokens that were revoked at `before` or earlier. */
  deleteRevokedTokens(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const table = this.database.names.apiTokens;
    const from = `${table} t WHERE ${this.ofTypes('t')} AND t.revoked_at <= $1`;
    return this.take(manager, { table, from, orderBy: 't.revoked_at' }, before, limit);
  }

  /**
   * Deletes up to `limit` refresh tokens of families that ended at `now` or earlier. Consumed tokens of other families
   * stay, so that their reuse is detected. Separate from families, because one family can have thousands of tokens.
   */
  deleteEndedRefreshTokens(manager: EntityManager, now: Date, limit: number): Promise<number> {
    const { refreshFamilies, refreshTokens: table } = this.database.names;
    const from = `${refreshFamilies} f JOIN ${table} t ON t.family_id = f.id 
      WHERE ${this.ofTypes('f')} AND f.absolute_expires_at <= $1`;
    return this.take(manager, { table, from, orderBy: 'f.absolute_expires_at' }, now, limit);
  }

  /** Deletes up to `limit` families that ended at `now` or earlier and have no tokens left. */
  deleteEndedFamilies(manager: EntityManager, now: Date, limit: number): Promise<number> {
    const { refreshFamilies: table, refreshTokens } = this.database.names;
    const from = `${table} t WHERE ${this.ofTypes('t')} AND t.absolute_expires_at <= $1
      AND NOT EXISTS (SELECT FROM ${refreshTokens} token WHERE token.family_id = t.id)`;
    return this.take(manager, { table, from, orderBy: 't.absolute_expires_at' }, now, limit);
  }

  /** Removes up to `limit` sealed successors of tokens that were consumed at `before` or earlier. */
  forgetSealedSuccessors(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const table = this.database.names.refreshTokens;
    const from = `${table} t WHERE t.sealed_successor IS NOT NULL AND t.consumed_at <= $1`;
    return this.take(manager, { table, from, orderBy: 't.consumed_at', set: 'sealed_successor = NULL' }, before, limit);
  }

  /** Deletes up to `limit` idempotency keys that expired at `before` or earlier. */
  deleteIdempotencyKeys(manager: EntityManager, before: Date, limit: number): Promise<number> {
    return this.takeExpired(manager, this.database.names.idempotencyKeys, 'key_hash', before, limit);
  }

  /** Deletes up to `limit` proofs that expired at `before` or earlier. */
  deleteDpopProofs(manager: EntityManager, before: Date, limit: number): Promise<number> {
    return this.takeExpired(manager, this.database.names.dpopProofs, 'proof_hash', before, limit);
  }

  /** Deletes up to `limit` counts of the days before `before`. */
  deleteTokenUsage(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const { apiTokens, tokenUsage: table } = this.database.names;
    const from = `${table} t JOIN ${apiTokens} token ON token.id = t.token_id
      WHERE ${this.ofTypes('token')} AND t.day < ($1::timestamptz AT TIME ZONE 'UTC')::date`;
    return this.take(manager, { table, from, orderBy: 't.day', key: ['ctid'] }, before, limit);
  }

  /**
   * Deletes up to `limit` audit events that occurred before `before`.
   *
   * @param table one of its partitions. @default all events
   */
  deleteAuditEvents(
    manager: EntityManager,
    before: Date,
    limit: number,
    table = this.database.names.auditEvents,
  ): Promise<number> {
    const from = `${table} t WHERE t.occurred_at < $1`;
    return this.take(manager, { table, from, orderBy: 't.occurred_at', key: EVENT_KEY }, before, limit);
  }

  /**
   * Deletes up to `limit` refusals of API tokens that occurred before `before`. Other failures, such as those of the host and the
   * reuse of a refresh token, stay.
   */
  deleteRefusals(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const table = this.database.names.auditEvents;
    const from = `${table} t WHERE t.outcome = 'failure' AND t.action = 'api.token_verify.failure' AND t.occurred_at < $1`;
    return this.take(manager, { table, from, orderBy: 't.occurred_at', key: EVENT_KEY }, before, limit);
  }

  private takeExpired(
    manager: EntityManager,
    table: string,
    key: string,
    before: Date,
    limit: number,
  ): Promise<number> {
    const from = `${table} t WHERE t.expires_at <= $1`;
    return this.take(manager, { table, from, orderBy: 't.expires_at', key: [key] }, before, limit);
  }

  /** SQL of the types whose credentials are deleted: the module of another type has other retentions. */
  private ofTypes(alias: string): string {
    return this.owners.isKnown(`${alias}.owner_type`);
  }

  /** @returns the number of rows deleted or updated */
  private async take(
    manager: EntityManager,
    { table, from, parameters = [], orderBy, key = ['id'], set }: ObsoleteRows,
    until: Date,
    limit: number,
  ): Promise<number> {
    const isObsolete = key.map((column) => `t.${column} = obsolete.${column}`).join(' AND ');
    const change =
      set === undefined
        ? `DELETE FROM ${table} t USING obsolete WHERE ${isObsolete}`
        : `UPDATE ${table} t SET ${set} FROM obsolete WHERE ${isObsolete}`;
    const { count } = await this.database.queryOne<{ count: number | string }>(
      `WITH obsolete AS MATERIALIZED (
         SELECT ${key.map((column) => `t.${column}`).join(', ')} FROM ${from}
         ORDER BY ${orderBy} LIMIT $2 FOR UPDATE OF t SKIP LOCKED
       ), taken AS (${change} RETURNING 1)
       SELECT count(*)::int AS count FROM taken`,
      [until, limit, ...parameters],
      manager,
    );
    return Number(count);
  }
}
