import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CursorPosition } from '../common/cursor.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { byTokenHash, type OwnedRecord, OwnedRecordReader } from './owned-record.reader.js';
import { type Row, SigraDatabase } from './sigra-database.js';
import { type NewRowOf, Parameters } from './table.js';
import { type ApiToken, apiTokens } from './tables.js';
import { UserDirectory } from './user-directory.js';

/** A row of `sigra_api_tokens` to insert. */
export type NewApiToken = NewRowOf<typeof apiTokens.columns>;

/** A use of a token, for `recordUses`. */
export interface TokenUse {
  readonly id: string;
  readonly at: Date;
  readonly ipAddress: string | null;
}

interface PackedToken {
  readonly token: string;
}

const PACKED = `${apiTokens.packed('t')} AS token`;
/** Limits background statements: no request waits for them, but a shutdown does. */
const BACKGROUND_TIMEOUT_MS = 5_000;
/** The seed of an owner's lock, so that its hash differs from other advisory locks. */
const OWNER_LOCK = 7_365_777_250;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/** Reads and writes `sigra_api_tokens`. */
@Injectable()
export class ApiTokenRepository {
  private readonly table: string;
  private readonly reader: OwnedRecordReader<ApiToken>;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    users: UserDirectory,
  ) {
    this.table = database.names.apiTokens;
    const { key, ...byHash } = byTokenHash('t');
    this.reader = new OwnedRecordReader(
      {
        ...byHash,
        select: `${key}, ${PACKED}`,
        from: `${this.table} t`,
        ownerId: 't.user_id',
        decode: (row) => unpack(row as Row & PackedToken),
      },
      database,
      users,
      config.lookupTimeout,
    );
  }

  /**
   * Finds a token and its owner by the SHA-256 of the raw token, in hex. Every request with a token uses it: see
   * `OwnedRecordReader`.
   *
   * @param check runs before the owner is checked, and throws when the token cannot be used
   * @throws SigraError `unavailable`; also the errors of `check`
   */
  findWithOwner(tokenHash: string, check?: (token: ApiToken) => void): Promise<OwnedRecord<ApiToken> | undefined> {
    return this.reader.find(tokenHash, check);
  }

  /** Finds a token by SHA-256 of its raw form, in hex, and asks nothing about its owner. */
  find(tokenHash: string): Promise<ApiToken | undefined> {
    return this.reader.findRecord(tokenHash);
  }

  /** Inserts a token and returns the row. */
  async insert(manager: EntityManager, token: NewApiToken): Promise<ApiToken> {
    const parameters = new Parameters();
    const insert = apiTokens.insert(`${this.table} AS t`, [token], parameters);
    return unpack(await this.database.queryOne(`${insert} RETURNING ${PACKED}`, parameters.values, manager));
  }

  /**
   * Reads a token and locks its row until the transaction ends.
   *
   * @param userId if given, a token of another user counts as missing
   */
  async lock(manager: EntityManager, id: string, userId?: string): Promise<ApiToken | undefined> {
    const [row] = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE t.id = $1 AND ($2::text IS NULL OR t.user_id = $2) FOR NO KEY UPDATE`,
      [id, userId ?? null],
      manager,
    );
    return row && unpack(row);
  }

  /** Whether a token is revoked. False for an unknown id. */
  async isRevoked(manager: EntityManager, id: string): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT 1 FROM ${this.table} WHERE id = $1 AND revoked_at IS NOT NULL`,
      [id],
      manager,
    );
    return rows.length > 0;
  }

  /** Revokes a token that the transaction has locked. */
  async markRevoked(manager: EntityManager, id: string, at: Date): Promise<ApiToken> {
    return unpack(
      await this.database.queryOne(
        `UPDATE ${this.table} t SET revoked_at = $2 WHERE t.id = $1 RETURNING ${PACKED}`,
        [id, at],
        manager,
      ),
    );
  }

  /** Marks a token that the transaction has locked as replaced by its successor. */
  async markReplaced(
    manager: EntityManager,
    id: string,
    { replacedBy, revokedAt, expiresAt }: Pick<ApiToken, 'revokedAt' | 'expiresAt'> & { readonly replacedBy: string },
  ): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET replaced_by = $2, revoked_at = $3, expires_at = $4 WHERE id = $1`,
      [id, replacedBy, revokedAt, expiresAt],
      manager,
    );
  }

  /**
   * Makes `revokeAll` for the token's owner wait until the transaction ends. Without this, `revokeAll` would miss a
   * token that the transaction has not committed yet.
   */
  async holdOffRevokeAll(manager: EntityManager, id: string): Promise<void> {
    await this.database.query(
      `SELECT pg_advisory_xact_lock_shared(${ownerKey('t.user_id')}) FROM ${this.table} t WHERE t.id = $1`,
      [id],
      manager,
    );
  }

  /**
   * Revokes all active tokens of a user. Locks rows in the order of their ids, so that two calls cannot deadlock.
   *
   * @returns the number of tokens revoked
   */
  async revokeAll(manager: EntityManager, userId: string, at: Date): Promise<number> {
    // A separate statement, so that the next statement takes its snapshot after the lock.
    await this.database.query(`SELECT pg_advisory_xact_lock(${ownerKey('$1')})`, [userId], manager);
    const { count } = await this.database.queryOne<{ count: number }>(
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
    return count;
  }

  /** Lists the active tokens of a user after `position`, oldest first. */
  async listActive(userId: string, now: Date, limit: number, position?: CursorPosition): Promise<ApiToken[]> {
    const rows = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE t.user_id = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
         AND (t.created_at, t.id) > ($3, $4)
       ORDER BY t.created_at, t.id LIMIT $5`,
      [userId, now, position?.createdAt ?? '-infinity', position?.id ?? NIL_UUID, limit],
    );
    return rows.map(unpack);
  }

  /**
   * Records the last uses of tokens. `last_used_at` only moves forward. Skips rows that another transaction has locked,
   * whose next use is recorded instead.
   *
   * @param thresholdSeconds skips tokens whose last use was recorded less than this long before
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
      [uses.map((use) => use.id), uses.map((use) => use.at), uses.map((use) => use.ipAddress), thresholdSeconds],
      undefined,
      BACKGROUND_TIMEOUT_MS,
    );
  }
}

function unpack({ token }: PackedToken): ApiToken {
  return apiTokens.unpack(token);
}

function ownerKey(userId: string): string {
  return `hashtextextended(${userId}, ${OWNER_LOCK})`;
}
