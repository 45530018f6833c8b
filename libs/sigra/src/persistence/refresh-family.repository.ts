import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CursorPosition } from '../common/cursor.js';
import type { Owner } from '../common/principal.js';
import { AFTER_ALL } from './keyset.js';
import { currentEpoch, type OwnerFilter, typesIn } from './owner.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters, Sql } from './sql.js';
import type { NewRowOf } from './table.js';
import { refreshFamilies, type RefreshFamilyRow, refreshTokens } from './tables.js';

/** A family to insert. */
export type NewRefreshFamily = NewRowOf<typeof refreshFamilies.columns>;
/** A refresh token to insert. Its family and parent come from the statement. */
export type NewRefreshToken = Omit<NewRowOf<typeof refreshTokens.columns>, 'familyId' | 'parentId'>;

/** A family that can still be refreshed. */
export interface RefreshFamily extends RefreshFamilyRow {
  /** The time of the last refresh, or of the family's creation. */
  readonly refreshedAt: Date;
}

/** Why a family was revoked. */
export type FamilyRevokeReason = NonNullable<RefreshFamilyRow['revokeReason']>;

interface PackedFamily {
  readonly family: string;
}

const OF_OWNER = 'f.owner_type = $1 AND f.owner_id = $2';
/** Counting the families of a bot can take longer than a request may. */
const COUNT_TIMEOUT_MS = 60_000;
const PACKED = `${refreshFamilies.packed('f')} AS family`;

/** Reads and writes `sigra_refresh_families`. */
@Injectable()
export class RefreshFamilyRepository {
  private readonly table: string;

  constructor(private readonly database: SigraDatabase) {
    this.table = database.names.refreshFamilies;
  }

  /** Inserts a family with its first token. */
  async insert(manager: EntityManager, family: NewRefreshFamily, token: NewRefreshToken): Promise<void> {
    const { names } = this.database;
    const parameters = new Parameters();
    const insertFamily = refreshFamilies.insert(names.refreshFamilies, [family], parameters);
    const firstToken = { ...token, familyId: new Sql('family.id') };
    const insertToken = refreshTokens.insertFrom('family', names.refreshTokens, firstToken, parameters);
    await this.database.query(
      `WITH family AS (${insertFamily} RETURNING id) ${insertToken}`,
      parameters.values,
      manager,
    );
  }

  /** Reads a family of an owner type, without a lock. */
  async read(manager: EntityManager, id: string, owner: OwnerFilter): Promise<RefreshFamilyRow | undefined> {
    return this.readOne(manager, id, owner, '');
  }

  /**
   * Reads a family and locks its row until the transaction ends. Rotation and revocation share this lock.
   *
   * @param owner without an id, a family of any owner of the type
   */
  async lock(manager: EntityManager, id: string, owner: OwnerFilter): Promise<RefreshFamilyRow | undefined> {
    return this.readOne(manager, id, owner, 'FOR NO KEY UPDATE');
  }

  /** Revokes a family that the transaction has locked. */
  async revoke(manager: EntityManager, id: string, at: Date, reason: FamilyRevokeReason): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET revoked_at = coalesce(revoked_at, $2), revoke_reason = $3
       WHERE id = $1 AND (revoked_at IS NULL OR $3 = 'reuse_detected')`,
      [id, at, reason],
      manager,
    );
  }

  /**
   * Revokes the families of an owner that were refreshed longest ago, and keeps `keep` of the live ones.
   *
   * @returns the families revoked
   */
  async revokeLeastRecent(
    manager: EntityManager,
    owner: Owner,
    at: Date,
    keep: number,
  ): Promise<readonly RefreshFamilyRow[]> {
    const rows = await this.database.query<PackedFamily>(
      `WITH surplus AS (
         SELECT f.id FROM ${this.table} f
         JOIN ${this.database.names.refreshTokens} t ON t.family_id = f.id AND t.consumed_at IS NULL AND t.expires_at > $3
         WHERE ${OF_OWNER} AND ${this.live('$3')}
         ORDER BY t.created_at DESC, f.id DESC OFFSET $4
       ), locked AS (
         SELECT f.id FROM ${this.table} f JOIN surplus ON surplus.id = f.id ORDER BY f.id FOR NO KEY UPDATE OF f
       )
       UPDATE ${this.table} f SET revoked_at = $3, revoke_reason = 'too_many_families'
       FROM locked WHERE f.id = locked.id AND f.revoked_at IS NULL RETURNING ${PACKED}`,
      [owner.type, owner.id, at, keep],
      manager,
    );
    return rows.map(({ family }) => refreshFamilies.unpack(family));
  }

  /** Counts the live families of an owner in an epoch, up to `limit`. */
  async countLive(manager: EntityManager, owner: Owner, now: Date, epoch: number, limit: number): Promise<number> {
    const { count } = await this.database.queryOne<{ count: number | string }>(
      `SELECT count(*)::int AS count FROM (
         SELECT FROM ${this.table} f
         WHERE ${OF_OWNER} AND f.revoked_at IS NULL AND f.absolute_expires_at > $3 AND f.epoch = $4 LIMIT $5
       ) AS live`,
      [owner.type, owner.id, now, epoch, limit],
      manager,
    );
    return Number(count);
  }

  /**
   * Counts the families that the end of an epoch has revoked, whether their rows have been marked or not.
   *
   * @param at the time of the revocation, with which the rows are marked
   */
  async countEnded(owner: Owner, epoch: number, at: Date, reason: FamilyRevokeReason): Promise<number> {
    const { count } = await this.database.queryOne<{ count: number | string }>(
      // The owner twice, because the indexes of owners are partial.
      `SELECT count(*)::int AS count FROM ${this.table} f
       WHERE ((${OF_OWNER} AND f.revoked_at IS NULL) OR (${OF_OWNER} AND f.revoked_at = $3 AND f.revoke_reason = $5))
         AND f.absolute_expires_at > $3 AND f.epoch = $4`,
      [owner.type, owner.id, at, epoch, reason],
      undefined,
      COUNT_TIMEOUT_MS,
    );
    return Number(count);
  }

  /** The scopes of all live families of an owner in an epoch. */
  async liveScopes(manager: EntityManager, owner: Owner, now: Date, epoch: number): Promise<readonly string[]> {
    const rows = await this.database.query<{ scope: string }>(
      `SELECT DISTINCT scope FROM ${this.table} f, unnest(f.scopes) AS scope
       WHERE ${OF_OWNER} AND f.revoked_at IS NULL AND f.absolute_expires_at > $3 AND f.epoch = $4 ORDER BY scope`,
      [owner.type, owner.id, now, epoch],
      manager,
    );
    return rows.map(({ scope }) => scope);
  }

  /**
   * Lists the families of an owner that can still be refreshed, newest first, from `position` on.
   *
   * @param timeout in milliseconds
   */
  async listLive(
    owner: Owner,
    now: Date,
    limit: number,
    position: CursorPosition | undefined,
    timeout: number,
  ): Promise<RefreshFamily[]> {
    const { createdAt, id } = position ?? AFTER_ALL;
    const rows = await this.database.query<PackedFamily & { token: string }>(
      `SELECT ${PACKED}, ${refreshTokens.packed('t')} AS token
       FROM ${this.table} f
       JOIN ${this.database.names.refreshTokens} t ON t.family_id = f.id AND t.consumed_at IS NULL AND t.expires_at > $3
       WHERE ${OF_OWNER} AND ${this.live('$3')} AND (f.created_at, f.id) < ($4, $5)
       ORDER BY f.created_at DESC, f.id DESC LIMIT $6`,
      [owner.type, owner.id, now, createdAt, id, limit],
      undefined,
      timeout,
    );
    return rows.map(({ family, token }) => ({
      ...refreshFamilies.unpack(family),
      refreshedAt: refreshTokens.unpack(token).createdAt,
    }));
  }

  private async readOne(
    manager: EntityManager,
    id: string,
    filter: OwnerFilter,
    lock: string,
  ): Promise<RefreshFamilyRow | undefined> {
    const [row] = await this.database.query<PackedFamily>(
      `SELECT ${PACKED} FROM ${this.table} f
       WHERE f.id = $1 AND f.owner_type = ANY ($2::text[]) AND ($3::text IS NULL OR f.owner_id = $3) ${lock}`,
      [id, typesIn(filter), filter.id ?? null],
      manager,
    );
    return row && refreshFamilies.unpack(row.family);
  }

  /** SQL for whether a family `f` is not revoked, expired, or of an earlier epoch. */
  live(now: string): string {
    const epoch = currentEpoch(this.database.names.owners, 'family_epoch', 'f.owner_type', 'f.owner_id');
    return `f.revoked_at IS NULL AND f.absolute_expires_at > ${now} AND f.epoch = ${epoch}`;
  }
}
