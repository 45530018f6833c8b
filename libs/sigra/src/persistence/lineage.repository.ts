import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Owner } from '../common/principal.js';
import { elementsOf } from './composite-text.js';
import { PackedRow } from './packed-row.js';
import { SigraDatabase } from './sigra-database.js';
import { apiTokens, ownerOf } from './tables.js';

/** A kind of credentials that make others and are made by others. */
export type CredentialKind = 'api_token' | 'refresh_family';

/** A credential that was revoked because one that it descends from was revoked. */
export interface RevokedDescendant {
  readonly kind: CredentialKind;
  readonly id: string;
  readonly owner: Owner;
  /**
   * The first token of the rotations that led to this one; null for all others. The descendants that it had before another
   * credential rotated it belong to this token, and do not descend from that credential.
   */
  readonly originId: string | null;
}

/** What `limitDescendants` or `narrowDescendants` has changed. */
export interface ChangedDescendants {
  /** Of credentials; of different lists that were too wide. */
  readonly count: number;
  readonly ids: readonly string[];
  /** See `RevokedDescendant.originId`. */
  readonly originIds: readonly string[];
}

type ChangedDescendant = Pick<RevokedDescendant, 'id' | 'originId'>;

/** How the arrays in a column become narrower. Each returns its argument when nothing is to be taken away. */
export type Narrowing =
  | { readonly column: 'scopes'; readonly keep: (scopes: readonly string[]) => readonly string[] }
  | {
      readonly column: 'allowed_ips' | 'resources';
      readonly keep: (list: readonly string[] | null) => readonly string[] | null;
    };

const KINDS: readonly CredentialKind[] = ['api_token', 'refresh_family'];
const MAKER_COLUMN: Readonly<Record<CredentialKind, string>> = {
  api_token: 'made_by_token_id',
  refresh_family: 'made_by_family_id',
};
/** An expired row must not hide a living one. A transaction looks at so many rows at most. */
const ROWS_SEEN = 20_000;
/** Whether `t` is a living descendant of `maker`. The conditions are those of the index, too. */
const DESCENDS = "t.descends_from && ARRAY[maker.id] AND t.descends_from <> '{}' AND t.revoked_at IS NULL";
const { id, ownerType, ownerId, originId } = apiTokens.columns;
const revokedRow = new PackedRow({ id, ownerType, ownerId, originId });
const REVOKED = { id: 't.id', ownerType: 't.owner_type', ownerId: 't.owner_id' };

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
    return this.revokeFirst(manager, (kind) => this.descendants(kind), [makerIds, limit, at]);
  }

  /**
   * Revokes up to `limit` credentials of each kind that credentials of an owner made for other owners. Those that have not expired
   * come first.
   *
   * Call it until it returns none, as `revokeDescendants`.
   *
   * @param makers the kinds of the credentials that made them
   */
  async revokeMadeForOthers(
    manager: EntityManager,
    owner: Owner,
    makers: readonly CredentialKind[],
    at: Date,
    limit: number,
  ): Promise<readonly RevokedDescendant[]> {
    const isMade = makers.map((maker) => `t.${MAKER_COLUMN[maker]} IS NOT NULL`).join(' OR ');
    const made = `t.creator_type = $1 AND t.creator_id = $4 AND t.revoked_at IS NULL AND (${isMade})`;
    const values = [owner.type, limit, at, owner.id];
    return this.revokeFirst(manager, (kind) => `${this.tableOf(kind)} t WHERE ${made}`, values);
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

  /**
   * Those of the makers with a descendant that is not revoked.
   *
   * @param after only counts descendants that end later than this. @default all
   */
  async haveDescendants(
    manager: EntityManager,
    makerIds: readonly string[],
    after: Date | null = null,
  ): Promise<readonly string[]> {
    // A query for each kind: PostgreSQL scans the whole table for each maker when two EXISTS are joined by OR.
    const queries = KINDS.map(
      (kind) =>
        `SELECT maker.id FROM unnest($1::uuid[]) AS maker(id) WHERE EXISTS (
           SELECT FROM ${this.tableOf(kind)} t WHERE ${DESCENDS} AND ($2::timestamptz IS NULL OR ${endsAfter(kind, '$2')}))`,
    );
    const rows = await this.database.query<{ id: string }>(queries.join(' UNION '), [makerIds, after], manager);
    return rows.map(({ id }) => id);
  }

  /**
   * Lets up to `limit` credentials of each kind that descend from one of the makers expire at `until` at the latest. Call it
   * until `haveDescendants` is false, as `revokeDescendants`.
   */
  async limitDescendants(
    manager: EntityManager,
    makerIds: readonly string[],
    until: Date,
    limit: number,
  ): Promise<ChangedDescendants> {
    const limited: ChangedDescendant[] = [];
    for (const kind of KINDS) {
      const rows = await this.database.query<ChangedDescendant>(
        `UPDATE ${this.tableOf(kind)} t SET ${endColumnOf(kind)} = $3 WHERE t.id = ANY (ARRAY(
           SELECT t.id FROM ${this.descendants(kind)} AND ${endsAfter(kind, '$3')} LIMIT $2))
         RETURNING t.id, ${currentOrigin(kind)} AS "originId"`,
        [makerIds, limit, until],
        manager,
      );
      limited.push(...rows);
    }
    return { count: limited.length, ...idsOf(limited) };
  }

  /**
   * Narrows the scopes, the addresses or the resources of all credentials that descend from one of the makers. Call it until it finds nothing to
   * narrow: another transaction can change a row, or rotate it, while this waits for it.
   */
  async narrowDescendants(
    manager: EntityManager,
    makerIds: readonly string[],
    narrowing: Narrowing,
  ): Promise<ChangedDescendants> {
    const { column } = narrowing;
    // The text of an array is never empty.
    const text = `coalesce(t.${column}::text, '')`;
    const narrowed: ChangedDescendant[] = [];
    let count = 0;
    for (const kind of KINDS) {
      const lists = await this.database.query<{ list: string }>(
        `SELECT DISTINCT ${text} AS list FROM ${this.descendants(kind)}`,
        [makerIds],
        manager,
      );
      const changes = lists.flatMap(({ list }) => {
        const kept = keptOf(narrowing, list === '' ? null : list);
        return kept === undefined ? [] : [{ list, kept }];
      });
      count += changes.length;
      if (changes.length === 0) continue;
      const rows = await this.database.query<ChangedDescendant>(
        // One statement for all lists, because a thief can have made many. The row is compared again after a wait for it.
        `UPDATE ${this.tableOf(kind)} t SET ${column} = ARRAY(SELECT jsonb_array_elements_text(change.kept))
         FROM jsonb_to_recordset($2::jsonb) AS change(list text, kept jsonb)
         WHERE t.id = ANY (ARRAY(SELECT t.id FROM ${this.descendants(kind)})) AND ${text} = change.list
         RETURNING t.id, ${currentOrigin(kind)} AS "originId"`,
        [makerIds, JSON.stringify(changes)],
        manager,
      );
      // The arguments of a call are limited.
      for (const row of rows) narrowed.push(row);
    }
    return { count, ...idsOf(narrowed) };
  }

  /**
   * Revokes credentials of each kind. Those that have not expired come first.
   *
   * @param from FROM and WHERE of the credentials `t`; `$2` is the limit, `$3` the time
   */
  private async revokeFirst(
    manager: EntityManager,
    from: (kind: CredentialKind) => string,
    values: readonly unknown[],
  ): Promise<readonly RevokedDescendant[]> {
    const revoked: RevokedDescendant[] = [];
    for (const kind of KINDS) {
      const seen = `SELECT t.id, t.${endColumnOf(kind)} AS ends_at FROM ${from(kind)} LIMIT ${ROWS_SEEN}`;
      const candidates = `SELECT id FROM (${seen}) AS seen ORDER BY ends_at > $3 DESC LIMIT $2`;
      revoked.push(...(await this.revoke(manager, kind, candidates, values)));
    }
    return revoked;
  }

  /** @param candidates SQL of the ids to revoke; `$3` is the time */
  private async revoke(
    manager: EntityManager,
    kind: CredentialKind,
    candidates: string,
    values: readonly unknown[],
  ): Promise<RevokedDescendant[]> {
    const packed = revokedRow.sql((property) => ({ ...REVOKED, originId: currentOrigin(kind) })[property]);
    const rows = await this.database.query<{ revoked: string }>(
      // An array, because a join would be planned for as many rows as the limit; most credentials have made none.
      `UPDATE ${this.tableOf(kind)} t SET revoked_at = $3, revoke_reason = 'made_by_revoked'
       WHERE t.id = ANY (ARRAY(${candidates})) AND t.revoked_at IS NULL RETURNING ${packed} AS revoked`,
      values,
      manager,
    );
    return rows.map(({ revoked }) => {
      const { id, originId, ...owned } = revokedRow.unpack(revoked);
      return { kind, id, owner: ownerOf(owned), originId };
    });
  }

  /**
   * FROM and WHERE of the living descendants `t` of the makers `$1`; one that descends from several of them comes as often.
   *
   * Each maker is looked up by itself. For an array of many, PostgreSQL would scan the whole table.
   */
  private descendants(kind: CredentialKind): string {
    return `unnest($1::uuid[]) AS maker(id) JOIN ${this.tableOf(kind)} t ON ${DESCENDS} WHERE true`;
  }

  private tableOf(kind: CredentialKind): string {
    const { apiTokens, refreshFamilies } = this.database.names;
    return kind === 'api_token' ? apiTokens : refreshFamilies;
  }
}

/** What is kept of an array in its text form; undefined when nothing is to be taken away. */
function keptOf(narrowing: Narrowing, list: string | null): readonly string[] | null | undefined {
  // The elements are never null.
  const array = list === null ? null : (elementsOf(list) as readonly string[]);
  const kept = narrowing.column === 'scopes' ? narrowing.keep(array ?? []) : narrowing.keep(array);
  return kept === array ? undefined : kept;
}

function idsOf(changed: readonly ChangedDescendant[]): Pick<ChangedDescendants, 'ids' | 'originIds'> {
  return { ids: changed.map(({ id }) => id), originIds: changed.flatMap(({ originId }) => originId ?? []) };
}

function endColumnOf(kind: CredentialKind): string {
  return kind === 'api_token' ? 'expires_at' : 'absolute_expires_at';
}

/** SQL for whether a credential `t` ends later than a time. */
function endsAfter(kind: CredentialKind, time: string): string {
  return kind === 'api_token' ? `(t.expires_at IS NULL OR t.expires_at > ${time})` : `t.absolute_expires_at > ${time}`;
}

/** SQL of `RevokedDescendant.originId`. A token that has been replaced has handed on what it made. */
function currentOrigin(kind: CredentialKind): string {
  return kind === 'api_token' ? 'CASE WHEN t.replaced_by IS NULL THEN t.origin_id END' : 'NULL::uuid';
}
