import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Owner } from '../common/principal.js';
import { SigraDatabase } from './sigra-database.js';

/** Credentials that may have made others. */
export interface Makers {
  readonly tokenIds?: readonly string[];
  readonly familyIds?: readonly string[];
}

/** A credential that was revoked because what made it was revoked. */
export interface RevokedDescendant {
  readonly kind: 'api_token' | 'refresh_family';
  readonly id: string;
  readonly owner: Owner;
}

/** Reads and writes the columns `made_by_token_id` and `made_by_family_id` of all credentials. */
@Injectable()
export class LineageRepository {
  constructor(private readonly database: SigraDatabase) {}

  /**
   * Revokes everything that the makers made, to any depth. The transaction has locked the makers.
   *
   * One generation a statement: a credential that is being made holds the lock of its maker, so the statement that locks the
   * makers waits for it, and the next statement sees it.
   */
  async revokeMadeBy(manager: EntityManager, makers: Makers, at: Date): Promise<readonly RevokedDescendant[]> {
    const all: RevokedDescendant[] = [];
    let { tokenIds = [], familyIds = [] } = makers;
    while (tokenIds.length + familyIds.length > 0) {
      const generation = [
        ...(await this.revokeGeneration(manager, 'api_token', tokenIds, familyIds, at)),
        ...(await this.revokeGeneration(manager, 'refresh_family', tokenIds, familyIds, at)),
      ];
      all.push(...generation);
      tokenIds = idsOf(generation, 'api_token');
      familyIds = idsOf(generation, 'refresh_family');
    }
    return all;
  }

  /** Rotation does not revoke: what a token made belongs to its successor from now on. */
  async handOver(manager: EntityManager, tokenId: string, successorId: string): Promise<void> {
    const { apiTokens, refreshFamilies } = this.database.names;
    for (const table of [apiTokens, refreshFamilies]) {
      await this.database.query(
        `UPDATE ${table} SET made_by_token_id = $2 WHERE made_by_token_id = $1 AND revoked_at IS NULL`,
        [tokenId, successorId],
        manager,
      );
    }
  }

  private async revokeGeneration(
    manager: EntityManager,
    kind: RevokedDescendant['kind'],
    tokenIds: readonly string[],
    familyIds: readonly string[],
    at: Date,
  ): Promise<RevokedDescendant[]> {
    const { names } = this.database;
    const rows = await this.database.query<{ id: string; owner_type: string; owner_id: string }>(
      `UPDATE ${kind === 'api_token' ? names.apiTokens : names.refreshFamilies} made
       SET revoked_at = $3, revoke_reason = 'made_by_revoked'
       WHERE made.revoked_at IS NULL
         AND (made.made_by_token_id = ANY ($1::uuid[]) OR made.made_by_family_id = ANY ($2::uuid[]))
       RETURNING made.id, made.owner_type, made.owner_id`,
      [tokenIds, familyIds, at],
      manager,
    );
    return rows.map((row) => ({ kind, id: row.id, owner: { type: row.owner_type, id: row.owner_id } }));
  }
}

function idsOf(descendants: readonly RevokedDescendant[], kind: RevokedDescendant['kind']): readonly string[] {
  return descendants.filter((each) => each.kind === kind).map(({ id }) => id);
}
