import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { apiTokenColumn, type ApiTokenRow, type RawApiTokenRow, toApiTokenRow } from './api-token-row.js';
import { SigraDatabase } from './sigra-database.js';

export interface NewApiTokenRow {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly prefix: string;
  readonly hint: string;
  /** SHA-256 of the raw token, in hex. */
  readonly tokenHash: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
}

export interface PagePosition {
  readonly createdAt: Date;
  readonly id: string;
}

export interface TokenUse {
  readonly id: string;
  readonly at: Date;
  readonly ip: string | null;
}

/** No request waits for what runs in the background, but a shutdown does. */
const BACKGROUND_TIMEOUT_MS = 5_000;

/** Every statement on `sigra_api_tokens` but the one that verifies (see `CredentialReader`). */
@Injectable()
export class ApiTokenRepository {
  private readonly table: string;
  private readonly column = apiTokenColumn('t');

  constructor(private readonly database: SigraDatabase) {
    this.table = database.tables.apiTokens;
  }

  async insert(manager: EntityManager, token: NewApiTokenRow): Promise<ApiTokenRow> {
    const rows = await this.database.query<RawApiTokenRow>(
      `INSERT INTO ${this.table} AS t
         (id, user_id, name, prefix, hint, token_hash, scopes, expires_at, created_at)
       VALUES ($1, $2, $3, $4, $5, decode($6, 'hex'), $7, $8, $9)
       RETURNING ${this.column}`,
      [
        token.id,
        token.userId,
        token.name,
        token.prefix,
        token.hint,
        token.tokenHash,
        token.scopes,
        token.expiresAt,
        token.createdAt,
      ],
      manager,
    );
    return toApiTokenRow(only(rows));
  }

  /** Reads a token and holds its row until the transaction ends. */
  async lock(manager: EntityManager, id: string, userId?: string): Promise<ApiTokenRow | undefined> {
    const rows = await this.database.query<RawApiTokenRow>(
      `SELECT ${this.column} FROM ${this.table} t
       WHERE t.id = $1 AND ($2::text IS NULL OR t.user_id = $2) FOR NO KEY UPDATE`,
      [id, userId ?? null],
      manager,
    );
    return rows[0] && toApiTokenRow(rows[0]);
  }

  async isRevoked(manager: EntityManager, id: string): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT 1 FROM ${this.table} WHERE id = $1 AND revoked_at IS NOT NULL`,
      [id],
      manager,
    );
    return rows.length > 0;
  }

  /** Revokes a token that its transaction has locked. */
  async markRevoked(manager: EntityManager, id: string, at: Date): Promise<ApiTokenRow> {
    const rows = await this.database.query<RawApiTokenRow>(
      `UPDATE ${this.table} t SET revoked_at = $2 WHERE t.id = $1 RETURNING ${this.column}`,
      [id, at],
      manager,
    );
    return toApiTokenRow(only(rows));
  }

  /** Lets a successor take over from a token that its transaction has locked. */
  async markReplaced(
    manager: EntityManager,
    id: string,
    end: { replacedBy: string; revokedAt: Date | null; expiresAt: Date | null },
  ): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET replaced_by = $2, revoked_at = $3, expires_at = $4 WHERE id = $1`,
      [id, end.replacedBy, end.revokedAt, end.expiresAt],
      manager,
    );
  }

  /**
   * Makes `revokeAll` of the token's owner wait until the transaction ends. It would not see a token that has not been
   * committed yet, and the user would be left with a live one.
   */
  async holdOffRevokeAll(manager: EntityManager, id: string): Promise<void> {
    await this.database.query(
      `SELECT pg_advisory_xact_lock_shared(${ownerKey('t.user_id')}) FROM ${this.table} t WHERE t.id = $1`,
      [id],
      manager,
    );
  }

  /** Revokes all active tokens of a user. Rows are locked in the order of their ids, so that two calls cannot deadlock. */
  async revokeAll(manager: EntityManager, userId: string, at: Date): Promise<number> {
    // A statement of its own: what the next one sees begins when the lock is there.
    await this.database.query(`SELECT pg_advisory_xact_lock(${ownerKey('$1')})`, [userId], manager);
    const rows = await this.database.query<{ count: number }>(
      `WITH active AS (
         SELECT id FROM ${this.table}
         WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
         ORDER BY id FOR NO KEY UPDATE
       ), revoked AS (
         UPDATE ${this.table} t SET revoked_at = $2 FROM active WHERE t.id = active.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM revoked`,
      [userId, at],
      manager,
    );
    return only(rows).count;
  }

  /** Active tokens of a user after `position`, oldest first. */
  async listActive(userId: string, now: Date, limit: number, position?: PagePosition): Promise<ApiTokenRow[]> {
    const rows = await this.database.query<RawApiTokenRow>(
      `SELECT ${this.column} FROM ${this.table} t
       WHERE t.user_id = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
         AND (t.created_at, t.id) > ($3, $4)
       ORDER BY t.created_at, t.id LIMIT $5`,
      [userId, now, position?.createdAt ?? '-infinity', position?.id ?? NIL_UUID, limit],
    );
    return rows.map(toApiTokenRow);
  }

  /**
   * Moves `last_used_at` forward, never back, and touches no other state. Rows that a transaction holds are left out: a
   * use that is not noted now is noted with the next one, and a revocation never waits for this.
   */
  async recordUses(uses: readonly TokenUse[], thresholdSeconds: number): Promise<void> {
    await this.database.query(
      `WITH uses AS (
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS use(id, at, ip)
       ), due AS (
         SELECT t.id FROM ${this.table} t JOIN uses ON uses.id = t.id
         WHERE t.last_used_at IS NULL OR t.last_used_at <= uses.at - make_interval(secs => $4)
         FOR NO KEY UPDATE OF t SKIP LOCKED
       )
       UPDATE ${this.table} t SET last_used_at = uses.at, last_used_ip = uses.ip
       FROM due JOIN uses ON uses.id = due.id
       WHERE t.id = due.id AND (t.last_used_at IS NULL OR t.last_used_at < uses.at)`,
      [uses.map((use) => use.id), uses.map((use) => use.at), uses.map((use) => use.ip), thresholdSeconds],
      undefined,
      BACKGROUND_TIMEOUT_MS,
    );
  }

  /** Deletes up to `limit` tokens that expired at `now` or before and were never revoked. */
  deleteExpired(manager: EntityManager, now: Date, limit: number): Promise<number> {
    return this.deleteBatch(manager, 'revoked_at IS NULL AND expires_at <= $1', 'expires_at', now, limit);
  }

  /** Deletes up to `limit` tokens that were revoked at `before` or earlier. */
  deleteRevoked(manager: EntityManager, before: Date, limit: number): Promise<number> {
    return this.deleteBatch(manager, 'revoked_at <= $1', 'revoked_at', before, limit);
  }

  private async deleteBatch(
    manager: EntityManager,
    condition: string,
    order: string,
    until: Date,
    limit: number,
  ): Promise<number> {
    const rows = await this.database.query<{ count: number }>(
      `WITH doomed AS MATERIALIZED (
         SELECT id FROM ${this.table} WHERE ${condition} ORDER BY ${order} LIMIT $2 FOR UPDATE SKIP LOCKED
       ), deleted AS (
         DELETE FROM ${this.table} t USING doomed WHERE t.id = doomed.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM deleted`,
      [until, limit],
      manager,
    );
    return only(rows).count;
  }
}

/** Sets the lock of a user apart from other uses of the same hash. */
const OWNER_LOCK = 7_365_777_250;

function ownerKey(userId: string): string {
  return `hashtextextended(${userId}, ${OWNER_LOCK})`;
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('sigra: the statement returned no row');
  return row;
}
