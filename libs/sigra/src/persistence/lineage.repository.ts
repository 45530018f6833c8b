import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Owner } from '../common/principal.js';
import { SigraDatabase } from './sigra-database.js';

/** A credential that was revoked because what made it was revoked. */
export interface RevokedDescendant {
  readonly kind: 'api_token' | 'refresh_family';
  readonly id: string;
  /** The id by which it is the maker of others. */
  readonly makerId: string;
  readonly owner: Owner;
}

/** What one call revoked. */
export interface RevokedLineage {
  readonly revoked: readonly RevokedDescendant[];
  /** The makers of credentials that are not revoked yet. */
  readonly unfinished: readonly string[];
}

/** Each generation takes two statements. */
const MAX_GENERATIONS = 32;
const MAKER_COLUMNS = ['made_by_token_id', 'made_by_family_id'];

/** Reads and writes the columns `made_by_token_id` and `made_by_family_id` of all credentials. */
@Injectable()
export class LineageRepository {
  constructor(private readonly database: SigraDatabase) {}

  /**
   * Revokes what the makers made, and what was made by that, up to `limit` credentials and 32 generations. Those that expire
   * last come first. The transaction has locked the makers.
   *
   * One generation a statement: a credential that is being made holds the lock of its maker, so the statement that locks the
   * makers waits for it, and the next statement sees it.
   *
   * @param makerIds see `makerIdOf`; the ids of families
   */
  async revokeMadeBy(
    manager: EntityManager,
    makerIds: readonly string[],
    at: Date,
    limit: number,
  ): Promise<RevokedLineage> {
    const revoked: RevokedDescendant[] = [];
    let makers = makerIds;
    for (let depth = 0; depth < MAX_GENERATIONS && makers.length > 0 && revoked.length < limit; depth++) {
      const before = revoked.length;
      for (const kind of ['api_token', 'refresh_family'] as const) {
        revoked.push(...(await this.revokeGeneration(manager, kind, makers, at, limit - revoked.length)));
      }
      makers = revoked.slice(before).map(({ makerId }) => makerId);
    }
    const all = [...makerIds, ...revoked.map(({ makerId }) => makerId)];
    return { revoked, unfinished: revoked.length === 0 ? [] : await this.withLiving(manager, all) };
  }

  /** Revokes up to `limit` of the families of an owner that API tokens made. */
  async revokeFamiliesMadeByTokens(
    manager: EntityManager,
    owner: Owner,
    at: Date,
    limit: number,
  ): Promise<readonly RevokedDescendant[]> {
    const candidates = `SELECT f.id FROM ${this.tableOf('refresh_family')} f
      WHERE f.owner_type = $3 AND f.owner_id = $4 AND f.revoked_at IS NULL AND f.made_by_token_id IS NOT NULL LIMIT $2`;
    return this.revoke(manager, 'refresh_family', candidates, [at, limit, owner.type, owner.id]);
  }

  private async revokeGeneration(
    manager: EntityManager,
    kind: RevokedDescendant['kind'],
    makerIds: readonly string[],
    at: Date,
    limit: number,
  ): Promise<RevokedDescendant[]> {
    const ofMaker = MAKER_COLUMNS.map(
      (column) => `(SELECT made.id FROM ${this.tableOf(kind)} made
        WHERE made.${column} = maker.id AND made.revoked_at IS NULL ORDER BY made.${endOf(kind)} DESC LIMIT $2)`,
    );
    const candidates = `SELECT made.id FROM unnest($3::uuid[]) AS maker(id)
      CROSS JOIN LATERAL (${ofMaker.join(' UNION ALL ')}) AS made LIMIT $2`;
    return this.revoke(manager, kind, candidates, [at, limit, makerIds]);
  }

  /** @param candidates SQL of the ids to revoke; `$1` is the time, `$2` the limit */
  private async revoke(
    manager: EntityManager,
    kind: RevokedDescendant['kind'],
    candidates: string,
    values: readonly unknown[],
  ): Promise<RevokedDescendant[]> {
    const makerId = kind === 'api_token' ? 'coalesce(t.origin_id, t.id)' : 't.id';
    const rows = await this.database.query<{ id: string; maker_id: string; owner_type: string; owner_id: string }>(
      // An array, because a join would be planned for as many rows as the limit; most credentials have made none.
      `UPDATE ${this.tableOf(kind)} t SET revoked_at = $1, revoke_reason = 'made_by_revoked'
       WHERE t.id = ANY (ARRAY(${candidates})) AND t.revoked_at IS NULL
       RETURNING t.id, ${makerId} AS maker_id, t.owner_type, t.owner_id`,
      values,
      manager,
    );
    return rows.map((row) => ({
      kind,
      id: row.id,
      makerId: row.maker_id,
      owner: { type: row.owner_type, id: row.owner_id },
    }));
  }

  /** Those of the makers that made a credential which is not revoked. */
  private async withLiving(manager: EntityManager, makerIds: readonly string[]): Promise<readonly string[]> {
    const { apiTokens, refreshFamilies } = this.database.names;
    const conditions = [apiTokens, refreshFamilies].flatMap((table) =>
      MAKER_COLUMNS.map(
        (column) => `EXISTS (SELECT FROM ${table} made WHERE made.${column} = maker.id AND made.revoked_at IS NULL)`,
      ),
    );
    const rows = await this.database.query<{ id: string }>(
      `SELECT DISTINCT maker.id FROM unnest($1::uuid[]) AS maker(id) WHERE ${conditions.join(' OR ')}`,
      [makerIds],
      manager,
    );
    return rows.map(({ id }) => id);
  }

  private tableOf(kind: RevokedDescendant['kind']): string {
    const { apiTokens, refreshFamilies } = this.database.names;
    return kind === 'api_token' ? apiTokens : refreshFamilies;
  }
}

function endOf(kind: RevokedDescendant['kind']): string {
  return kind === 'api_token' ? 'expires_at' : 'absolute_expires_at';
}
