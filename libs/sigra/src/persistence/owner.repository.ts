import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isOwnerId, type Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { boolean, currentTime, nullable, time } from './columns.js';
import { byWanted, type OwnedRecord, OwnedRecordReader, type WantedColumn } from './owned-record.reader.js';
import { PackedRow, type RowOf } from './packed-row.js';
import { literal } from './qualified-names.js';
import { type Row, SigraDatabase } from './sigra-database.js';
import { owners } from './tables.js';
import { UserDirectory, type UserRef } from './user-directory.js';

/** Limits a statement that no request waits for. */
const BACKGROUND_TIMEOUT_MS = 60_000;

/** The epochs of an owner. A credential of an earlier epoch is revoked. */
export interface Epochs {
  /** Of API tokens. */
  readonly tokenEpoch: number;
  /** Of refresh families and their access tokens. */
  readonly familyEpoch: number;
}

/** The kinds of credentials that a step to the next epoch ends. */
export interface EpochKinds {
  readonly tokens?: true;
  readonly families?: true;
}

/** Whose credentials to read: of an owner, or of all owners of a type. */
export type OwnerFilter = Pick<Owner, 'type'> & Partial<Owner>;

/** The credential that a JWT belongs to, by its UUID. */
export type JwtOrigin = { readonly familyId: string } | { readonly apiTokenId: string };

/** What is read of an owner, beside the user. */
const state = {
  tokenEpoch: owners.columns.tokenEpoch,
  familyEpoch: owners.columns.familyEpoch,
  /** When the family epoch moved last. Null if it never has, and where it is not read. */
  familyEpochAt: owners.columns.familyEpochAt,
  /** Whether the origin exists and is not revoked. False when none was given. */
  originLive: boolean(),
  /** The end of the origin. Null for an API token that never expires, and without an origin. */
  originEndsAt: nullable(time()),
};
const packedState = new PackedRow(state);

/** The SQL of an owner's state, where nothing but the epochs is read. */
const EPOCHS_ONLY: Readonly<Record<keyof typeof state, string>> = {
  tokenEpoch: 'coalesce(o.token_epoch, 0)',
  familyEpoch: 'coalesce(o.family_epoch, 0)',
  familyEpochAt: 'NULL::timestamptz',
  originLive: 'false',
  originEndsAt: 'NULL::timestamptz',
};

/** The state of an owner without a row, and without an origin. */
const INITIAL_STATE: RowOf<typeof state> = {
  tokenEpoch: 0,
  familyEpoch: 0,
  familyEpochAt: null,
  originLive: false,
  originEndsAt: null,
};

/** The state that sessions and JWTs are checked against. */
export type OwnerState = RowOf<typeof state> & { readonly ownerId: string };

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
  private readonly reader: OwnedRecordReader<OwnerState>;
  private readonly familyReader: OwnedRecordReader<OwnerState>;
  private readonly apiTokenReader: OwnedRecordReader<OwnerState>;
  private readonly epochTimeReader: OwnedRecordReader<OwnerState>;
  private readonly type: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly users: UserDirectory,
  ) {
    const { names } = database;
    this.table = names.owners;
    this.type = config.users.type;
    const epochs = joinedEpochs(this.table, this.type, 'wanted.owner_id');
    const readerOf = ({ key, ownerIdOf, wanted, sql = {}, exists = 'false', join = '' }: OwnerStateSource) => {
      const packed = packedState.sql((property) => sql[property] ?? EPOCHS_ONLY[property]);
      return new OwnedRecordReader(
        {
          ownerId: 'wanted.owner_id',
          // Null for most owners.
          select: `${key} AS sigra_key, CASE WHEN o.owner_id IS NOT NULL OR ${exists} THEN ${packed} END AS sigra_state`,
          ownerIdOf,
          decode: (row) => stateOf(row, ownerIdOf),
          ...byWanted(wanted, `${epochs.join}${join}`),
        },
        database,
        users,
        config.lookupTimeout,
      );
    };
    const ofOwner = {
      key: 'wanted.owner_id',
      ownerIdOf: asIs,
      wanted: { owner_id: { type: 'text', valueIn: asIs } },
    };
    this.reader = readerOf(ofOwner);
    this.epochTimeReader = readerOf({ ...ofOwner, sql: { familyEpochAt: 'o.family_epoch_at' } });
    const ofPair = {
      key: 'wanted.key',
      ownerIdOf: ownerIdOfPair,
      wanted: {
        key: { type: 'text', valueIn: asIs },
        owner_id: { type: 'text', valueIn: ownerIdOfPair },
        origin_id: { type: 'uuid', valueIn: originIdOfPair },
      },
    };
    const sourceOf = (table: string, end: string) => ({
      ...ofPair,
      sql: {
        originLive: '(origin.id IS NOT NULL AND origin.revoked_at IS NULL)',
        originEndsAt: `origin.${end}`,
      },
      exists: 'origin.id IS NOT NULL',
      join: ` LEFT JOIN ${table} origin
        ON origin.id = wanted.origin_id AND origin.owner_type = ${literal(this.type)} AND origin.owner_id = wanted.owner_id`,
    });
    this.familyReader = readerOf(sourceOf(names.refreshFamilies, 'absolute_expires_at'));
    this.apiTokenReader = readerOf(sourceOf(names.apiTokens, 'expires_at'));
  }

  /**
   * Finds an owner and its state. Every request with a JWT or a session uses it: see `OwnedRecordReader`.
   *
   * @param origin the credential to check as well. @default none
   * @returns a record without a user when the owner does not exist or is not active
   * @throws SigraError `unavailable`
   */
  async find(ownerId: string, origin?: JwtOrigin): Promise<OwnedRecord<OwnerState> | undefined> {
    if (!isOwnerId(ownerId)) return undefined;
    if (!origin) return this.reader.find(ownerId);
    return 'familyId' in origin
      ? this.familyReader.find(`${origin.familyId} ${ownerId}`)
      : this.apiTokenReader.find(`${origin.apiTokenId} ${ownerId}`);
  }

  /**
   * Like `find`, with `familyEpochAt`: for credentials without an epoch, which have only a time.
   *
   * @throws SigraError `unavailable`
   */
  async findWithEpochTime(ownerId: string): Promise<OwnedRecord<OwnerState> | undefined> {
    return isOwnerId(ownerId) ? this.epochTimeReader.find(ownerId) : undefined;
  }

  /** A user as it was given, or the active user with its id. @throws SigraError `unavailable` */
  async userOf(user: UserRef): Promise<object | undefined> {
    return typeof user === 'object' ? user : (await this.find(this.users.idOf(user)))?.user;
  }

  /** The current epochs of an owner, whether it exists or not. @throws SigraError `unavailable` */
  async epochsOf(owner: Owner): Promise<Epochs> {
    const [row] = await this.database.query<PackedOwner>(
      `SELECT ${PACKED} FROM ${this.table} o WHERE o.owner_type = $1 AND o.owner_id = $2`,
      [owner.type, owner.id],
    );
    return row ? unpack(row) : INITIAL_STATE;
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
   * Lists ids of owners of this type that have credentials, in their order.
   *
   * @param after lists the ids after this one
   * @param before only counts credentials that were created before this time
   */
  async listIds(after: string, before: Date, limit: number): Promise<readonly string[]> {
    const { apiTokens, refreshFamilies } = this.database.names;
    // One subquery for each partial index of owners.
    const sources = [apiTokens, refreshFamilies].flatMap((table) =>
      ['IS NULL', 'IS NOT NULL'].map(
        (isRevoked) => `(SELECT DISTINCT owner_id FROM ${table}
          WHERE owner_type = $1 AND owner_id > $2 AND created_at < $3 AND revoked_at ${isRevoked}
          ORDER BY owner_id LIMIT $4)`,
      ),
    );
    const rows = await this.database.query<{ owner_id: string }>(
      `${sources.join(' UNION ')} ORDER BY owner_id LIMIT $4`,
      [this.type, after, before, limit],
      undefined,
      BACKGROUND_TIMEOUT_MS,
    );
    return rows.map(({ owner_id }) => owner_id);
  }

  /**
   * Locks owners until the transaction ends, and reads their epochs. Everything that makes a credential and everything
   * that moves an epoch takes this lock, in the order of the owners, so that neither misses the other.
   *
   * @returns the epochs of each owner, in the given order
   */
  async lock(manager: EntityManager, ...owners: readonly Owner[]): Promise<Epochs[]> {
    // Two owners at once are rare: an administrator makes a credential for somebody else.
    if (owners.length > 1) await this.ensure(manager, owners);
    let found = await this.lockRows(manager, owners);
    if (found.length < owners.length) {
      await this.ensure(manager, owners);
      found = await this.lockRows(manager, owners);
    }
    return owners.map(({ type, id }) => {
      const row = found.find(({ ownerType, ownerId }) => ownerType === type && ownerId === id);
      if (!row) throw new Error('sigra: the row of an owner disappeared');
      return row;
    });
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

  private async ensure(manager: EntityManager, owners: readonly Owner[]): Promise<void> {
    await this.database.query(
      `INSERT INTO ${this.table} (owner_type, owner_id, token_epoch, family_epoch)
       SELECT wanted.type, wanted.id, 0, 0 FROM unnest($1::text[], $2::text[]) AS wanted(type, id)
       ORDER BY wanted.type, wanted.id
       ON CONFLICT DO NOTHING`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id)],
      manager,
    );
  }

  private async lockRows(manager: EntityManager, owners: readonly Owner[]): Promise<readonly OwnerRow[]> {
    const rows = await this.database.query<PackedOwner>(
      `SELECT ${PACKED} FROM ${this.table} o JOIN unnest($1::text[], $2::text[]) AS wanted(type, id)
         ON o.owner_type = wanted.type AND o.owner_id = wanted.id
       ORDER BY o.owner_type, o.owner_id FOR NO KEY UPDATE OF o`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id)],
      manager,
    );
    return rows.map(unpack);
  }
}

/**
 * SQL of a join that every request makes, and of the token epoch and the family epoch that it finds: null means 0. It uses a partial
 * index of the owners that have an epoch other than 0. This index is so small that most lookups end at its first page.
 *
 * @param id the SQL expression of the owner's id
 */
export function joinedEpochs(
  table: string,
  type: string,
  id: string,
): { readonly join: string; readonly columns: readonly [string, string] } {
  return {
    join: `LEFT JOIN ${table} o ON o.owner_type = ${literal(type)} AND o.owner_id = ${id}
      AND (o.token_epoch > 0 OR o.family_epoch > 0)`,
    columns: ['o.token_epoch', 'o.family_epoch'],
  };
}

/** SQL of an owner's current epoch. */
export function currentEpoch(table: string, kind: 'token_epoch' | 'family_epoch', type: string, id: string): string {
  return `coalesce((SELECT o.${kind} FROM ${table} o WHERE o.owner_type = ${type} AND o.owner_id = ${id}), 0)`;
}

/** How the owners of keys are read. */
interface OwnerStateSource {
  /** The SQL expression of the key. */
  readonly key: string;
  readonly ownerIdOf: (key: string) => string;
  readonly wanted: Readonly<Record<string, WantedColumn>>;
  /** The SQL of the state, other than `EPOCHS_ONLY`. */
  readonly sql?: Partial<typeof EPOCHS_ONLY>;
  /** SQL that is true when there is a state although the owner has no epochs. */
  readonly exists?: string;
  readonly join?: string;
}

function stateOf(row: Row, ownerIdOf: (key: string) => string): OwnerState {
  const packed = row.sigra_state as string | null;
  return {
    ownerId: ownerIdOf(row.sigra_key as string),
    ...(packed === null ? INITIAL_STATE : packedState.unpack(packed)),
  };
}

function unpack({ owner }: PackedOwner): OwnerRow {
  return owners.unpack(owner);
}

function asIs(key: string): string {
  return key;
}

/** A key with an origin is the id of the origin, a space, and the owner id, which can contain spaces. */
function originIdOfPair(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

function ownerIdOfPair(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}
