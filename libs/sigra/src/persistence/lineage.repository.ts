import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Owner } from '../common/principal.js';
import { SigraDatabase } from './sigra-database.js';

/** A kind of credentials that make others and are made by others. */
export type CredentialKind = 'api_token' | 'refresh_family';

/** A credential that was revoked because one that it descends from was revoked. */
export interface RevokedDescendant {
  readonly kind: CredentialKind;
  readonly id: string;
  readonly owner: Owner;
}

const KINDS: readonly CredentialKind[] = ['api_token', 'refresh_family'];
/** An expired row must not hide a living one. A transaction looks at so many rows at most. */
const ROWS_SEEN = 20_000;

/** Reads and writes the column `descends_from` of all credentials. */
@Injectable()
export class LineageRepository {
  constructor(private readonly database: SigraDatabase) {}

  /** What credentials of a kind descend from, without themselves. */
  async ancestorsOf(manager: EntityManager, kind: CredentialKind, ...ids: readonly string[]): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT DISTINCT ancestor AS id FROM ${this.tableOf(kind)}, unnest(descends_from) AS ancestor WHERE id = ANY ($1::uuid[])`,
      [ids],
      manager,
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Revokes up to `limit` credentials of each kind that descend from one of the makers. Those that have not expired come first.
   *
   * Call it until `haveDescendants` is false: a descendant can be rotated while this waits for its row, and the next call sees
   * the successor.
   *
   * @param makerIds see `makerIdOf`; the ids of families
   */
  async revokeDescendants(
    manager: EntityManager,
    makerIds: readonly string[],
    at: Date,
    limit: number,
  ): Promise<readonly RevokedDescendant[]> {
    const revoked: RevokedDescendant[] = [];
    for (const kind of KINDS) {
      const seen = `SELECT t.id, t.${endOf(kind)} AS ends_at FROM ${this.descendants(kind)} LIMIT ${ROWS_SEEN}`;
      const candidates = `SELECT id FROM (${seen}) AS seen ORDER BY ends_at > $3 DESC LIMIT $2`;
      revoked.push(...(await this.revoke(manager, kind, candidates, [makerIds, limit, at])));
    }
    return revoked;
  }

  /** Revokes up to `limit` of the families of an owner that API tokens made. */
  async revokeFamiliesMadeByTokens(
    manager: EntityManager,
    owner: Owner,
    at: Date,
    limit: number,
  ): Promise<readonly RevokedDescendant[]> {
    const candidates = `SELECT f.id FROM ${this.tableOf('refresh_family')} f
      WHERE f.owner_type = $1 AND f.owner_id = $4 AND f.revoked_at IS NULL AND f.made_by_token_id IS NOT NULL LIMIT $2`;
    return this.revoke(manager, 'refresh_family', candidates, [owner.type, limit, at, owner.id]);
  }

  /** Those of the makers with a descendant that is not revoked. */
  async haveDescendants(manager: EntityManager, makerIds: readonly string[]): Promise<readonly string[]> {
    const conditions = KINDS.map((kind) => `EXISTS (SELECT FROM ${this.descendants(kind, 'ARRAY[maker.id]')})`);
    const rows = await this.database.query<{ id: string }>(
      `SELECT maker.id FROM unnest($1::uuid[]) AS maker(id) WHERE ${conditions.join(' OR ')}`,
      [makerIds],
      manager,
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Lets up to `limit` credentials of each kind that descend from a maker expire at `until` at the latest.
   *
   * @returns their number
   */
  async limitDescendants(manager: EntityManager, makerId: string, until: Date, limit: number): Promise<number> {
    let count = 0;
    for (const kind of KINDS) {
      const column = endOf(kind);
      const rows = await this.database.query(
        `UPDATE ${this.tableOf(kind)} SET ${column} = $3 WHERE id = ANY (ARRAY(
           SELECT t.id FROM ${this.descendants(kind)} AND (t.${column} IS NULL OR t.${column} > $3) LIMIT $2))
         RETURNING id`,
        [[makerId], limit, until],
        manager,
      );
      count += rows.length;
    }
    return count;
  }

  /** @param candidates SQL of the ids to revoke; `$3` is the time */
  private async revoke(
    manager: EntityManager,
    kind: CredentialKind,
    candidates: string,
    values: readonly unknown[],
  ): Promise<RevokedDescendant[]> {
    const rows = await this.database.query<{ id: string; owner_type: string; owner_id: string }>(
      // An array, because a join would be planned for as many rows as the limit; most credentials have made none.
      `UPDATE ${this.tableOf(kind)} t SET revoked_at = $3, revoke_reason = 'made_by_revoked'
       WHERE t.id = ANY (ARRAY(${candidates})) AND t.revoked_at IS NULL
       RETURNING t.id, t.owner_type, t.owner_id`,
      values,
      manager,
    );
    return rows.map((row) => ({ kind, id: row.id, owner: { type: row.owner_type, id: row.owner_id } }));
  }

  /** FROM and WHERE of the living descendants `t`. The conditions are those of the index, too. */
  private descendants(kind: CredentialKind, makerIds = '$1::uuid[]'): string {
    return `${this.tableOf(kind)} t
      WHERE t.descends_from && ${makerIds} AND t.descends_from <> '{}' AND t.revoked_at IS NULL`;
  }

  private tableOf(kind: CredentialKind): string {
    const { apiTokens, refreshFamilies } = this.database.names;
    return kind === 'api_token' ? apiTokens : refreshFamilies;
  }
}

function endOf(kind: CredentialKind): string {
  return kind === 'api_token' ? 'expires_at' : 'absolute_expires_at';
}
