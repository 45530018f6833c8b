import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { keyOfOwner, type Owner } from '../common/principal.js';
import { currentTime } from './columns.js';
import { PackedRow, type RowOf } from './packed-row.js';
import { SigraDatabase } from './sigra-database.js';
import { ownerOf, owners } from './tables.js';

/** Limits a statement that no request waits for. */
const BACKGROUND_TIMEOUT_MS = 60_000;

/** The epochs of an owner. A credential of an earlier epoch is revoked. */
export interface Epochs {
  /** Of API tokens. */
  readonly tokenEpoch: number;
  /** Of refresh families and their access tokens. */
  readonly familyEpoch: number;
}

/** The epochs of an owner, in a statement that joins them. */
export const packedEpochs = new PackedRow({
  tokenEpoch: owners.columns.tokenEpoch,
  familyEpoch: owners.columns.familyEpoch,
});

/** The kinds of credentials that a step to the next epoch ends. */
export interface EpochKinds {
  readonly tokens?: true;
  readonly families?: true;
}

/** Whose credentials to read: of an owner, or of all owners of one or several types. */
export interface OwnerFilter {
  readonly type: string | readonly string[];
  readonly id?: string;
}

/** The types in a filter, as a parameter of a statement. */
export function typesIn({ type }: OwnerFilter): readonly string[] {
  return typeof type === 'string' ? [type] : type;
}

type OwnerRow = RowOf<typeof owners.columns>;

/** What a statement selects that reads owners. */
const PACKED = `${owners.packed('o')} AS owner`;
interface PackedOwner {
  readonly owner: string;
}

/** Reads and writes `sigra_owners`. */
@Injectable()
export class OwnerRepository {
  private readonly table: string;

  constructor(private readonly database: SigraDatabase) {
    this.table = database.names.owners;
  }

  /** The current token epochs of owners, by `keyOfOwner`. One that is missing is in the epoch 0. @throws SigraError `unavailable` */
  async tokenEpochsOf(owners: readonly Owner[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.database.query<PackedOwner>(
      `SELECT ${PACKED} FROM ${this.table} o JOIN unnest($1::text[], $2::text[]) AS wanted(type, id)
         ON o.owner_type = wanted.type AND o.owner_id = wanted.id
       WHERE o.token_epoch > 0`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id)],
    );
    return new Map(rows.map(unpack).map((row) => [keyOfOwner(ownerOf(row)), row.tokenEpoch]));
  }

  /** Whether an owner has credentials or epochs, or had them. @throws SigraError `unavailable` */
  async isKnown(owner: Owner): Promise<boolean> {
    const { apiTokens, refreshFamilies } = this.database.names;
    const ofOwner = 'WHERE owner_type = $1 AND owner_id = $2';
    // Two conditions instead of none, because the indexes of owners are partial.
    const ofCredentials = [apiTokens, refreshFamilies].flatMap((table) =>
      ['IS NULL', 'IS NOT NULL'].map(
        (isRevoked) => `EXISTS (SELECT FROM ${table} ${ofOwner} AND revoked_at ${isRevoked})`,
      ),
    );
    const { known } = await this.database.queryOne<{ known: string }>(
      `SELECT (EXISTS (SELECT FROM ${this.table} ${ofOwner}) OR ${ofCredentials.join(' OR ')})::text AS known`,
      [owner.type, owner.id],
    );
    return known === 'true';
  }

  /**
   * Lists ids of owners of a type that have credentials, in their order.
   *
   * @param after lists the ids after this one
   * @param before only counts credentials that were created before this time
   */
  async listIds(type: string, after: string, before: Date, limit: number): Promise<readonly string[]> {
    const { apiTokens, refreshFamilies } = this.database.names;
    // One subquery for each partial index of owners.
    const sources = [apiTokens, refreshFamilies].flatMap((table) =>
      ['IS NULL', 'IS NOT NULL'].map(
        (isRevoked) => `(SELECT DISTINCT owner_id AS "ownerId" FROM ${table}
          WHERE owner_type = $1 AND owner_id > $2 AND created_at < $3 AND revoked_at ${isRevoked}
          ORDER BY owner_id LIMIT $4)`,
      ),
    );
    const rows = await this.database.query<{ ownerId: string }>(
      `${sources.join(' UNION ')} ORDER BY "ownerId" LIMIT $4`,
      [type, after, before, limit],
      undefined,
      BACKGROUND_TIMEOUT_MS,
    );
    return rows.map(({ ownerId }) => ownerId);
  }

  /**
   * Locks owners until the transaction ends, and reads their epochs. Everything that makes a credential and everything
   * that moves an epoch takes this lock, in the order of the owners, so that neither misses the other.
   *
   * @returns the epochs of each owner, in the given order
   */
  async lock(manager: EntityManager, ...owners: readonly Owner[]): Promise<Epochs[]> {
    const locked = await this.lockRows(manager, owners, 'wait');
    return owners.map((owner) => {
      const epochs = locked.get(keyOfOwner(owner));
      if (!epochs) throw new Error('sigra: the row of an owner disappeared');
      return epochs;
    });
  }

  /**
   * Like `lock`, without waiting for another transaction that has locked one of them.
   *
   * @param owners different ones
   * @returns the epochs by `keyOfOwner`, without those of locked owners
   */
  lockFree(manager: EntityManager, owners: readonly Owner[]): Promise<ReadonlyMap<string, Epochs>> {
    return this.lockRows(manager, owners, 'skip');
  }

  /**
   * Moves an owner to the next epoch of the given kinds.
   *
   * @param at the time of the step; null for the time of the database
   * @returns the new epochs
   */
  async bump(manager: EntityManager, owner: Owner, kinds: EpochKinds, at: Date | null): Promise<Epochs> {
    const steps = [kinds.tokens ? 1 : 0, kinds.families ? 1 : 0];
    const row = await this.database.queryOne<PackedOwner>(
      `INSERT INTO ${this.table} AS o (owner_type, owner_id, token_epoch, family_epoch, family_epoch_at)
       VALUES ($1, $2, $3, $4, CASE WHEN $4 > 0 THEN ${currentTime('$5')} END)
       ON CONFLICT (owner_type, owner_id)
       DO UPDATE SET token_epoch = o.token_epoch + $3, family_epoch = o.family_epoch + $4,
         family_epoch_at = greatest(o.family_epoch_at, excluded.family_epoch_at)
       RETURNING ${PACKED}`,
      [owner.type, owner.id, ...steps, at],
      manager,
    );
    return unpack(row);
  }

  /** Inserts the rows of new owners. For an existing row it would wait until a transaction that changes it has ended. */
  private async ensure(manager: EntityManager, owners: readonly Owner[]): Promise<void> {
    await this.database.query(
      `INSERT INTO ${this.table} (owner_type, owner_id, token_epoch, family_epoch)
       SELECT wanted.type, wanted.id, 0, 0 FROM unnest($1::text[], $2::text[]) AS wanted(type, id)
       WHERE NOT EXISTS (SELECT FROM ${this.table} o WHERE o.owner_type = wanted.type AND o.owner_id = wanted.id)
       ORDER BY wanted.type, wanted.id
       ON CONFLICT DO NOTHING`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id)],
      manager,
    );
  }

  private async lockRows(
    manager: EntityManager,
    owners: readonly Owner[],
    ifLocked: 'wait' | 'skip',
  ): Promise<ReadonlyMap<string, Epochs>> {
    const find = async () => {
      const rows = await this.database.query<PackedOwner>(
        `SELECT ${PACKED} FROM ${this.table} o JOIN unnest($1::text[], $2::text[]) AS wanted(type, id)
           ON o.owner_type = wanted.type AND o.owner_id = wanted.id
         ORDER BY o.owner_type, o.owner_id FOR NO KEY UPDATE OF o ${ifLocked === 'skip' ? 'SKIP LOCKED' : ''}`,
        [owners.map(({ type }) => type), owners.map(({ id }) => id)],
        manager,
      );
      return new Map(rows.map(unpack).map((row) => [keyOfOwner(ownerOf(row)), row]));
    };
    // Before a row is locked: a new row can have to wait for another transaction, which can wait for that lock.
    if (owners.length > 1) await this.ensure(manager, owners);
    const found = await find();
    const isSkipped = ifLocked === 'skip' && owners.length > 1;
    if (found.size === owners.length || isSkipped) return found;
    await this.ensure(manager, owners);
    return find();
  }
}

/**
 * SQL of a join that every request makes, and of the epochs that it finds. It uses a partial
 * index of the owners that have an epoch other than 0. This index is so small that most lookups end at its first page.
 *
 * @param type the SQL expression of the owner's type
 * @param id the SQL expression of the owner's id
 */
export function joinedEpochs(
  table: string,
  type: string,
  id: string,
): { readonly join: string; readonly sqlOf: Readonly<Record<keyof Epochs, string>> } {
  return {
    join: `LEFT JOIN ${table} o ON o.owner_type = ${type} AND o.owner_id = ${id}
      AND (o.token_epoch > 0 OR o.family_epoch > 0)`,
    sqlOf: { tokenEpoch: 'o.token_epoch', familyEpoch: 'o.family_epoch' },
  };
}

/** SQL of an owner's current epoch. */
export function currentEpoch(table: string, kind: 'token_epoch' | 'family_epoch', type: string, id: string): string {
  return `coalesce((SELECT o.${kind} FROM ${table} o WHERE o.owner_type = ${type} AND o.owner_id = ${id}), 0)`;
}

function unpack({ owner }: PackedOwner): OwnerRow {
  return owners.unpack(owner);
}
