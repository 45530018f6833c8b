import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditEventRepository, type AuditEventRow } from './audit-event.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { timeColumn, timeColumns, withDates } from './time-column.js';

export interface RefreshFamilyRow {
  readonly id: string;
  readonly user_id: string;
  readonly epoch: number;
  readonly scopes: readonly string[];
  readonly absolute_expires_at: Date;
  readonly revoked_at: Date | null;
}

const FAMILY_TIMES = ['absolute_expires_at', 'revoked_at'] as const;

/** A refresh token that can be used now, and its family. */
export interface LiveRefreshTokenRow extends RefreshFamilyRow {
  readonly expires_at: Date;
  readonly created_at: Date;
}

/** A sign-in as its user sees it. */
export interface SignInRow {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly created_at: Date;
  readonly refreshed_at: Date;
  readonly absolute_expires_at: Date;
}

export interface NewRefreshFamilyRow {
  readonly id: string;
  readonly userId: string;
  readonly scopes: readonly string[];
  readonly absoluteExpiresAt: Date;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  readonly createdAt: Date;
}

export interface NewRefreshTokenRow {
  readonly id: string;
  /** SHA-256 of the raw token, in hex. */
  readonly tokenHash: string;
  readonly expiresAt: Date;
  readonly createdAt: Date;
}

/** A rotation, with everything that has to happen together. */
export interface Rotation {
  readonly tokenId: string;
  readonly familyId: string;
  readonly userId: string;
  readonly child: NewRefreshTokenRow;
  readonly sealedSuccessor: Buffer | null;
  readonly event: AuditEventRow | undefined;
}

/** A refresh token as it stands while its family is held. */
export interface RefreshTokenState {
  readonly expires_at: Date;
  readonly consumed_at: Date | null;
  readonly sealed_successor: Buffer | null;
  readonly child_id: string | null;
  readonly child_consumed_at: Date | null;
  readonly current_epoch: number;
}

/** Every statement on refresh families, refresh tokens and epochs but the one that verifies (see `SubjectReader`). */
@Injectable()
export class RefreshTokenRepository {
  private readonly families: string;
  private readonly tokens: string;
  private readonly subjects: string;

  constructor(
    private readonly database: SigraDatabase,
    private readonly events: AuditEventRepository,
  ) {
    this.families = database.tables.refreshFamilies;
    this.tokens = database.tables.refreshTokens;
    this.subjects = database.tables.subjects;
  }

  /** Starts a family in the user's current epoch, with its first token. */
  async insertFamily(
    manager: EntityManager,
    family: NewRefreshFamilyRow,
    token: NewRefreshTokenRow,
  ): Promise<{ epoch: number }> {
    const rows = await this.database.query<{ epoch: number }>(
      `WITH family AS (
         INSERT INTO ${this.families} (id, user_id, epoch, scopes, absolute_expires_at, ip, user_agent, created_at)
         SELECT $1, $2, coalesce((SELECT token_epoch FROM ${this.subjects} WHERE user_id = $2), 0), $3, $4, $5, $6, $7
         RETURNING id, epoch
       ), token AS (
         INSERT INTO ${this.tokens} (id, family_id, token_hash, expires_at, created_at)
         SELECT $8, family.id, decode($9, 'hex'), $10, $7 FROM family
       )
       SELECT epoch FROM family`,
      [
        family.id,
        family.userId,
        family.scopes,
        family.absoluteExpiresAt,
        family.ip ?? null,
        family.userAgent?.slice(0, 1024) ?? null,
        family.createdAt,
        token.id,
        token.tokenHash,
        token.expiresAt,
      ],
      manager,
    );
    return only(rows);
  }

  /** The family that a refresh token belongs to. */
  async familyOf(tokenHash: string): Promise<string | undefined> {
    const rows = await this.database.query<{ family_id: string }>(
      `SELECT family_id FROM ${this.tokens} WHERE token_hash = decode($1, 'hex')`,
      [tokenHash],
    );
    return rows[0]?.family_id;
  }

  /** Reads a family and holds it until the transaction ends: the one lock that refresh, revocation and sign-out share. */
  async lockFamily(manager: EntityManager, id: string, userId?: string): Promise<RefreshFamilyRow | undefined> {
    const rows = await this.database.query(
      `SELECT f.id, f.user_id, f.epoch, f.scopes, ${timeColumns('f', FAMILY_TIMES)} FROM ${this.families} f
       WHERE f.id = $1 AND ($2::text IS NULL OR f.user_id = $2) FOR NO KEY UPDATE`,
      [id, userId ?? null],
      manager,
    );
    return withDates<RefreshFamilyRow>(rows, FAMILY_TIMES)[0];
  }

  /**
   * What a decision is based on. A statement of its own, after the lock: a joined `FOR UPDATE` would return the other
   * tables' rows as they were before the wait.
   */
  async readState(manager: EntityManager, tokenId: string, userId: string): Promise<RefreshTokenState | undefined> {
    const rows = await this.database.query(
      `SELECT ${timeColumns('t', ['expires_at', 'consumed_at'])}, t.sealed_successor,
         child.id AS child_id, ${timeColumn('child.consumed_at')} AS child_consumed_at,
         coalesce((SELECT token_epoch FROM ${this.subjects} WHERE user_id = $2), 0) AS current_epoch
       FROM ${this.tokens} t LEFT JOIN ${this.tokens} child ON child.parent_id = t.id
       WHERE t.id = $1`,
      [tokenId, userId],
      manager,
    );
    return withDates<RefreshTokenState>(rows, ['expires_at', 'consumed_at', 'child_consumed_at'])[0];
  }

  /**
   * Consumes a token, puts its successor in its place and records it, in one statement that tells whether it won. It takes
   * the family's lock first, like everything else, and everything that may have changed until then is looked at again by
   * PostgreSQL: whether the family was revoked, and whether the token was consumed. A sign-out takes the same lock and
   * revokes the family, so that the epoch, which is not looked at again, cannot move on unseen.
   *
   * It does not wait for the lock, and has not won when somebody holds it: a statement that commits by itself would do so
   * even after a wait that the client did not live to see the end of, and nobody would know the successor.
   *
   * What the parent had sealed is gone with it: its successor is used now.
   *
   * @param manager the transaction to run in; without one the statement is a transaction of its own
   */
  async rotate(rotation: Rotation, manager?: EntityManager): Promise<boolean> {
    const { tokenId, familyId, userId, child, sealedSuccessor, event } = rotation;
    const audit = event && this.events.insertFor('consumed', event, 9);
    const rows = await this.database.query<{ id: string }>(
      `WITH family AS MATERIALIZED (
         SELECT id FROM ${this.families}
         WHERE id = $1 AND revoked_at IS NULL AND absolute_expires_at > $2
           AND epoch = coalesce((SELECT token_epoch FROM ${this.subjects} WHERE user_id = $3), 0)
         FOR NO KEY UPDATE SKIP LOCKED
       ), consumed AS (
         UPDATE ${this.tokens} t SET consumed_at = $2, sealed_successor = $4 FROM family
         WHERE t.id = $5 AND t.family_id = family.id AND t.consumed_at IS NULL AND t.expires_at > $2
         RETURNING t.id, t.family_id, t.parent_id
       ), forgotten AS (
         UPDATE ${this.tokens} parent SET sealed_successor = NULL FROM consumed
         WHERE parent.id = consumed.parent_id AND parent.sealed_successor IS NOT NULL
       )${audit ? `, audit AS (${audit.sql})` : ''}
       INSERT INTO ${this.tokens} (id, family_id, parent_id, token_hash, expires_at, created_at)
       SELECT $6::uuid, consumed.family_id, consumed.id, decode($7, 'hex'), $8::timestamptz, $2 FROM consumed
       RETURNING id`,
      [
        familyId,
        child.createdAt,
        userId,
        sealedSuccessor,
        tokenId,
        child.id,
        child.tokenHash,
        child.expiresAt,
        ...(audit?.values ?? []),
      ],
      manager,
    );
    return rows.length === 1;
  }

  /** Revokes a family that its transaction has locked. */
  async revokeFamily(manager: EntityManager, id: string, at: Date, reason: string): Promise<void> {
    await this.database.query(
      `UPDATE ${this.families} SET revoked_at = $2, revoke_reason = $3 WHERE id = $1 AND revoked_at IS NULL`,
      [id, at, reason],
      manager,
    );
  }

  /** Revokes all live families of a user, locked in the order of their ids, so that two calls cannot deadlock. */
  async revokeFamilies(manager: EntityManager, userId: string, at: Date, reason: string): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH live AS (
         SELECT id FROM ${this.families}
         WHERE user_id = $1 AND revoked_at IS NULL AND absolute_expires_at > $2
         ORDER BY id FOR NO KEY UPDATE
       ), revoked AS (
         UPDATE ${this.families} f SET revoked_at = $2, revoke_reason = $3 FROM live WHERE f.id = live.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM revoked`,
      [userId, at, reason],
      manager,
    );
    return only(rows).count;
  }

  async bumpEpoch(manager: EntityManager, userId: string): Promise<number> {
    const rows = await this.database.query<{ token_epoch: number }>(
      `INSERT INTO ${this.subjects} AS s (user_id, token_epoch) VALUES ($1, 1)
       ON CONFLICT (user_id) DO UPDATE SET token_epoch = s.token_epoch + 1 RETURNING s.token_epoch`,
      [userId],
      manager,
    );
    return only(rows).token_epoch;
  }

  /** Sign-ins of a user that can still be refreshed, newest first. */
  async listLive(userId: string, now: Date): Promise<SignInRow[]> {
    const rows = await this.database.query(
      `SELECT f.id, f.scopes, f.ip, f.user_agent, ${timeColumns('f', ['created_at', 'absolute_expires_at'])},
         ${timeColumn('t.created_at')} AS refreshed_at
       FROM ${this.families} f
       JOIN ${this.tokens} t ON t.family_id = f.id AND t.consumed_at IS NULL AND t.expires_at > $2
       WHERE f.user_id = $1 AND f.revoked_at IS NULL AND f.absolute_expires_at > $2
         AND f.epoch = coalesce((SELECT token_epoch FROM ${this.subjects} WHERE user_id = $1), 0)
       ORDER BY f.created_at DESC, f.id DESC`,
      [userId, now],
    );
    return withDates<SignInRow>(rows, ['created_at', 'absolute_expires_at', 'refreshed_at']);
  }

  /** Whether a refresh token could be used now; for introspection, which changes nothing. */
  async findLive(tokenHash: string, now: Date): Promise<LiveRefreshTokenRow | undefined> {
    const rows = await this.database.query(
      `SELECT f.id, f.user_id, f.epoch, f.scopes, ${timeColumns('f', FAMILY_TIMES)},
         ${timeColumns('t', ['expires_at', 'created_at'])}
       FROM ${this.tokens} t JOIN ${this.families} f ON f.id = t.family_id
       WHERE t.token_hash = decode($1, 'hex') AND t.consumed_at IS NULL AND t.expires_at > $2
         AND f.revoked_at IS NULL AND f.absolute_expires_at > $2
         AND f.epoch = coalesce((SELECT token_epoch FROM ${this.subjects} s WHERE s.user_id = f.user_id), 0)`,
      [tokenHash, now],
    );
    return withDates<LiveRefreshTokenRow>(rows, [...FAMILY_TIMES, 'expires_at', 'created_at'])[0];
  }

  /**
   * Deletes up to `limit` tokens of families that ended at `now` or before. Not earlier: a consumed token must be known
   * for as long as its family could live, or its reuse could not be told. Apart from the families, of which a single one
   * may have thousands of tokens.
   */
  async deleteEndedTokens(manager: EntityManager, now: Date, limit: number): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH ended AS MATERIALIZED (
         SELECT t.id FROM ${this.families} f JOIN ${this.tokens} t ON t.family_id = f.id
         WHERE f.absolute_expires_at <= $1
         ORDER BY f.absolute_expires_at LIMIT $2 FOR UPDATE OF t SKIP LOCKED
       ), deleted AS (
         DELETE FROM ${this.tokens} t USING ended WHERE t.id = ended.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM deleted`,
      [now, limit],
      manager,
    );
    return only(rows).count;
  }

  /** Deletes up to `limit` families that ended at `now` or before and have no tokens any more. */
  async deleteEndedFamilies(manager: EntityManager, now: Date, limit: number): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH ended AS MATERIALIZED (
         SELECT f.id FROM ${this.families} f
         WHERE f.absolute_expires_at <= $1
           AND NOT EXISTS (SELECT FROM ${this.tokens} t WHERE t.family_id = f.id)
         ORDER BY f.absolute_expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
       ), deleted AS (
         DELETE FROM ${this.families} f USING ended WHERE f.id = ended.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM deleted`,
      [now, limit],
      manager,
    );
    return only(rows).count;
  }

  /** Forgets up to `limit` sealed successors of tokens that were consumed at `before` or earlier. */
  async forgetSealed(manager: EntityManager, before: Date, limit: number): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH stale AS MATERIALIZED (
         SELECT id FROM ${this.tokens} WHERE sealed_successor IS NOT NULL AND consumed_at <= $1
         LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
       ), forgotten AS (
         UPDATE ${this.tokens} t SET sealed_successor = NULL FROM stale WHERE t.id = stale.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM forgotten`,
      [before, limit],
      manager,
    );
    return only(rows).count;
  }
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('sigra: the statement returned no row');
  return row;
}
