import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type OwnedRecord, OwnedRecordReader, unnested } from './owned-record.reader.js';
import { SigraDatabase } from './sigra-database.js';
import { type NewRowOf, Parameters, Sql } from './table.js';
import { refreshFamilies, type RefreshFamilyRow, refreshTokens } from './tables.js';
import { UserDirectory } from './user-directory.js';

/** A family to insert. It gets the user's current epoch. */
export type NewRefreshFamily = Omit<NewRowOf<typeof refreshFamilies.columns>, 'epoch'> & { readonly userId: string };
/** A refresh token to insert. Its family and parent come from the statement. */
export type NewRefreshToken = Omit<NewRowOf<typeof refreshTokens.columns>, 'familyId' | 'parentId'>;

/** A family that can still be refreshed. */
export interface RefreshFamily extends RefreshFamilyRow {
  /** The time of the last refresh, or of the family's creation. */
  readonly refreshedAt: Date;
}

/** The state that a JWT is checked against. */
export interface JwtSubject {
  readonly userId: string;
  readonly epoch: number;
  /** Whether the family exists and is not revoked. False when no family was given. */
  readonly familyLive: boolean;
}

interface PackedFamily {
  readonly family: string;
}

const PACKED = `${refreshFamilies.packed('f')} AS family`;

/** Reads and writes `sigra_refresh_families` and the epochs of `sigra_subjects`. */
@Injectable()
export class RefreshFamilyRepository {
  private readonly table: string;
  private readonly subjects: OwnedRecordReader<JwtSubject>;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    users: UserDirectory,
  ) {
    const { names } = database;
    this.table = names.refreshFamilies;
    this.subjects = new OwnedRecordReader(
      {
        select: `wanted.key AS sigra_key, coalesce(s.token_epoch, 0) AS sigra_epoch,
          f.id IS NOT NULL AND f.revoked_at IS NULL AS sigra_family_live`,
        from: `${unnested('$1::text[]', '$2::text[]', '$3::uuid[]')} AS wanted(key, user_id, family_id)
          LEFT JOIN ${names.subjects} s ON s.user_id = wanted.user_id
          LEFT JOIN ${this.table} f ON f.id = wanted.family_id AND f.user_id = wanted.user_id`,
        ownerId: 'wanted.user_id',
        ownerIdOf: userIdOf,
        parameters: (keys) => [keys, keys.map(userIdOf), keys.map((key) => familyIdOf(key) || null)],
        decode: (row) => ({
          userId: userIdOf(row.sigra_key as string),
          epoch: Number(row.sigra_epoch),
          familyLive: row.sigra_family_live === true,
        }),
      },
      database,
      users,
      config.lookupTimeout,
    );
  }

  /**
   * Finds the state that a JWT is checked against, with its user. Every request with a JWT uses it: see `OwnedRecordReader`.
   *
   * @param familyId the UUID of a family to check as well. @default none
   * @throws SigraError `unavailable`
   */
  findSubject(userId: string, familyId = ''): Promise<OwnedRecord<JwtSubject> | undefined> {
    return this.subjects.find(`${familyId} ${userId}`);
  }

  /**
   * Inserts a family with its first token, in the user's current epoch.
   *
   * @returns the epoch
   */
  async insert(manager: EntityManager, family: NewRefreshFamily, token: NewRefreshToken): Promise<number> {
    const { names } = this.database;
    const parameters = new Parameters();
    const epochOfUser = new Sql(this.currentEpoch(parameters.add(family.userId)));
    const insertFamily = refreshFamilies.insert(names.refreshFamilies, [{ ...family, epoch: epochOfUser }], parameters);
    const firstToken = { ...token, familyId: new Sql('family.id') };
    const insertToken = refreshTokens.insertFrom('family', names.refreshTokens, firstToken, parameters);
    const { epoch } = await this.database.queryOne<{ epoch: number }>(
      `WITH family AS (${insertFamily} RETURNING id, epoch), token AS (${insertToken})
       SELECT epoch FROM family`,
      parameters.values,
      manager,
    );
    return epoch;
  }

  /**
   * Reads a family and locks its row until the transaction ends. Rotation, revocation and sign-out share this lock.
   *
   * @param userId if given, a family of another user counts as missing
   */
  async lock(manager: EntityManager, id: string, userId?: string): Promise<RefreshFamilyRow | undefined> {
    const [row] = await this.database.query<PackedFamily>(
      `SELECT ${PACKED} FROM ${this.table} f
       WHERE f.id = $1 AND ($2::text IS NULL OR f.user_id = $2) FOR NO KEY UPDATE`,
      [id, userId ?? null],
      manager,
    );
    return row && refreshFamilies.unpack(row.family);
  }

  /** Revokes a family that the transaction has locked. */
  async revoke(
    manager: EntityManager,
    id: string,
    at: Date,
    reason: NonNullable<RefreshFamilyRow['revokeReason']>,
  ): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET revoked_at = $2, revoke_reason = $3 WHERE id = $1 AND revoked_at IS NULL`,
      [id, at, reason],
      manager,
    );
  }

  /**
   * Revokes all live families of a user. Locks rows in the order of their ids, so that two calls cannot deadlock.
   *
   * @returns the number of families revoked
   */
  async revokeAll(
    manager: EntityManager,
    userId: string,
    at: Date,
    reason: NonNullable<RefreshFamilyRow['revokeReason']>,
  ): Promise<number> {
    const { count } = await this.database.queryOne<{ count: number }>(
      `WITH live AS (
         SELECT id FROM ${this.table}
         WHERE user_id = $1 AND revoked_at IS NULL AND absolute_expires_at > $2
         ORDER BY id FOR NO KEY UPDATE
       ), revoked AS (
         UPDATE ${this.table} f SET revoked_at = $2, revoke_reason = $3 FROM live WHERE f.id = live.id RETURNING 1
       )
       SELECT count(*)::int AS count FROM revoked`,
      [userId, at, reason],
      manager,
    );
    return count;
  }

  /** Moves a user to the next epoch. @returns the new epoch */
  async bumpEpoch(manager: EntityManager, userId: string): Promise<number> {
    const { epoch } = await this.database.queryOne<{ epoch: number }>(
      `INSERT INTO ${this.database.names.subjects} AS s (user_id, token_epoch) VALUES ($1, 1)
       ON CONFLICT (user_id) DO UPDATE SET token_epoch = s.token_epoch + 1 RETURNING s.token_epoch AS epoch`,
      [userId],
      manager,
    );
    return epoch;
  }

  /** Lists the families of a user that can still be refreshed, newest first. */
  async listLive(userId: string, now: Date): Promise<RefreshFamily[]> {
    const rows = await this.database.query<PackedFamily & { token: string }>(
      `SELECT ${PACKED}, ${refreshTokens.packed('t')} AS token
       FROM ${this.table} f
       JOIN ${this.database.names.refreshTokens} t ON t.family_id = f.id AND t.consumed_at IS NULL AND t.expires_at > $2
       WHERE f.user_id = $1 AND f.revoked_at IS NULL AND f.absolute_expires_at > $2
         AND f.epoch = ${this.currentEpoch('$1')}
       ORDER BY f.created_at DESC, f.id DESC`,
      [userId, now],
    );
    return rows.map(({ family, token }) => ({
      ...refreshFamilies.unpack(family),
      refreshedAt: refreshTokens.unpack(token).createdAt,
    }));
  }

  /** SQL for a user's current epoch. */
  currentEpoch(userId: string): string {
    return `coalesce((SELECT s.token_epoch FROM ${this.database.names.subjects} s WHERE s.user_id = ${userId}), 0)`;
  }
}

/** A key is a family id or an empty string, a space, and a user id, which can contain spaces. */
function familyIdOf(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

function userIdOf(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}
