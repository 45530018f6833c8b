import { Injectable } from '@nestjs/common';
import { referenceIn } from '../common/owner-reference.js';
import { isOwnerId, keyOfOwner, type Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { boolean, nullable, time } from './columns.js';
import { idleEndSql } from './token-expiry.js';
import { OwnerDirectories, type OwnerRef } from './owner-directories.js';
import {
  byWanted,
  type OwnedRecord,
  OwnedRecordReader,
  type OwnerKey,
  type WantedColumn,
} from './owned-record.reader.js';
import { type Epochs, joinedEpochs, packedEpochs } from './owner.repository.js';
import { PackedRow, type RowOf } from './packed-row.js';
import { literal } from './qualified-names.js';
import type { Row } from './prepared-statement.js';
import { SigraDatabase } from './sigra-database.js';
import { Standbys } from './standbys.js';
import { owners } from './tables.js';
import type { UserDirectory } from './user-directory.js';

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
  /** The end of the origin; of an unused API token, that of `idleTtl`. Null for one that never expires, and without an origin. */
  originEndsAt: nullable(time()),
};
const packedState = new PackedRow(state);

/** The SQL of the state beside the epochs, where it is not read. */
const NOT_READ: Readonly<Record<Exclude<keyof typeof state, keyof Epochs>, string>> = {
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

/** Reads owners and their state, for requests with a session or a JWT. */
@Injectable()
export class OwnerStateReader {
  private readonly ofUsers: StateReaders;
  private readonly byType: ReadonlyMap<string, StateReaders>;
  private readonly epochs: OwnedRecordReader<Epochs & OwnerKey>;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    database: SigraDatabase,
    private readonly directories: OwnerDirectories,
    standbys: Standbys,
  ) {
    const readersOf = (directory: UserDirectory) => new StateReaders(config, database, directory, standbys);
    this.ofUsers = readersOf(directories.users);
    this.byType = new Map(
      directories.all.map((each) => [each.type, each === directories.users ? this.ofUsers : readersOf(each)]),
    );
    this.epochs = epochReader(config, database);
  }

  /**
   * Finds an owner and its state. Every request with a JWT or a session uses it: see `OwnedRecordReader`.
   *
   * @param origin the credential to check as well. @default none
   * @param type of the owner. @default that of the users
   * @returns a record without a user when the owner does not exist or is not active
   * @throws SigraError `unavailable`
   */
  async find(ownerId: string, origin?: JwtOrigin, type?: string): Promise<OwnedRecord<OwnerState> | undefined> {
    return isOwnerId(ownerId) ? this.readersOf(type)?.find(ownerId, origin) : undefined;
  }

  /**
   * Like `find`, for a request: a standby can answer if the state is admitted.
   *
   * @param admits whether the request is accepted in this state
   * @throws SigraError `unavailable`
   */
  async findForRequest(
    ownerId: string,
    admits: (state: OwnerState) => boolean,
    origin?: JwtOrigin,
  ): Promise<OwnedRecord<OwnerState> | undefined> {
    return isOwnerId(ownerId) ? this.ofUsers.find(ownerId, origin, admits) : undefined;
  }

  /**
   * Like `findForRequest`, with `familyEpochAt`: for credentials without an epoch, which have only a time.
   *
   * @throws SigraError `unavailable`
   */
  async findWithEpochTime(
    ownerId: string,
    admits: (state: OwnerState) => boolean,
  ): Promise<OwnedRecord<OwnerState> | undefined> {
    return isOwnerId(ownerId) ? this.ofUsers.findWithEpochTime(ownerId, admits) : undefined;
  }

  /** The current epochs of an owner, whether it exists or not. @throws SigraError `unavailable` */
  async epochsOf(owner: Owner): Promise<Epochs> {
    return (await this.epochs.findRecord(keyOfOwner(owner))) ?? INITIAL_STATE;
  }

  /** An owner as it was given, or the active owner with its id. @throws SigraError `unavailable` */
  async userOf(ref: OwnerRef): Promise<object | undefined> {
    const given = referenceIn(ref)?.owner ?? ref;
    if (typeof given === 'object') return given;
    const { type, id } = this.directories.ownerOf(ref);
    return (await this.find(id, undefined, type))?.user;
  }

  private readersOf(type: string | undefined): StateReaders | undefined {
    return type === undefined ? this.ofUsers : this.byType.get(type);
  }
}

/** Reads the epochs of owners alone, of all types: whatever makes a credential does this first. */
function epochReader(config: SigraConfig, database: SigraDatabase): OwnedRecordReader<Epochs & OwnerKey> {
  const { join, sqlOf } = joinedEpochs(database.names.owners, 'wanted.owner_type', 'wanted.owner_id');
  return new OwnedRecordReader(
    {
      name: 'owner',
      ownerId: 'wanted.owner_id',
      select: `wanted.owner_type || ' ' || wanted.owner_id AS sigra_key, ${packedEpochs.sql((property) => sqlOf[property])} AS sigra_epochs`,
      decode: (row) => ({
        ownerId: ownerIdOfPair(row.sigra_key as string),
        ...packedEpochs.unpack(row.sigra_epochs as string),
      }),
      ...byWanted(
        {
          owner_type: { type: 'text', valueIn: firstOfPair },
          owner_id: { type: 'text', valueIn: ownerIdOfPair },
        },
        join,
      ),
    },
    database,
    { joins: () => [], activeOwner: () => undefined },
    config.lookupTimeout,
  );
}

/** The readers of one type of owners. */
class StateReaders {
  private readonly reader: OwnedRecordReader<OwnerState>;
  private readonly familyReader: OwnedRecordReader<OwnerState>;
  private readonly apiTokenReader: OwnedRecordReader<OwnerState>;
  private readonly epochTimeReader: OwnedRecordReader<OwnerState>;

  constructor(config: SigraConfig, database: SigraDatabase, directory: UserDirectory, standbys: Standbys) {
    const { names } = database;
    const type = literal(directory.type);
    const epochs = joinedEpochs(names.owners, type, 'wanted.owner_id');
    const readerOf = ({ key, ownerIdOf, wanted, sql = {}, exists = 'false', join = '' }: OwnerStateSource) => {
      const sqlOf = { ...epochs.sqlOf, ...NOT_READ, ...sql };
      const packed = packedState.sql((property) => sqlOf[property]);
      return new OwnedRecordReader(
        {
          name: 'owner',
          ownerId: 'wanted.owner_id',
          // Null for most owners.
          select: `${key} AS sigra_key, CASE WHEN o.owner_id IS NOT NULL OR ${exists} THEN ${packed} END AS sigra_state`,
          ownerIdOf,
          decode: (row) => stateOf(row, ownerIdOf),
          ...byWanted(wanted, `${epochs.join}${join}`),
        },
        database,
        directory,
        config.lookupTimeout,
        standbys,
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
        origin_id: { type: 'uuid', valueIn: firstOfPair },
      },
    };
    const sourceOf = (table: string, endsAt: string) => ({
      ...ofPair,
      sql: {
        originLive: '(origin.id IS NOT NULL AND origin.revoked_at IS NULL)',
        originEndsAt: endsAt,
      },
      exists: 'origin.id IS NOT NULL',
      join: ` LEFT JOIN ${table} origin
        ON origin.id = wanted.origin_id AND origin.owner_type = ${type} AND origin.owner_id = wanted.owner_id`,
    });
    this.familyReader = readerOf(sourceOf(names.refreshFamilies, 'origin.absolute_expires_at'));
    const endOfToken = `least(origin.expires_at, ${idleEndSql('origin', config.apiTokens)})`;
    this.apiTokenReader = readerOf(sourceOf(names.apiTokens, endOfToken));
  }

  find(
    ownerId: string,
    origin?: JwtOrigin,
    admits?: (state: OwnerState) => boolean,
  ): Promise<OwnedRecord<OwnerState> | undefined> {
    if (!origin) return this.reader.find(ownerId, undefined, admits);
    return 'familyId' in origin
      ? this.familyReader.find(`${origin.familyId} ${ownerId}`, undefined, admits)
      : this.apiTokenReader.find(`${origin.apiTokenId} ${ownerId}`, undefined, admits);
  }

  findWithEpochTime(
    ownerId: string,
    admits: (state: OwnerState) => boolean,
  ): Promise<OwnedRecord<OwnerState> | undefined> {
    return this.epochTimeReader.find(ownerId, undefined, admits);
  }
}

/** How the owners of keys are read. */
interface OwnerStateSource {
  /** The SQL expression of the key. */
  readonly key: string;
  readonly ownerIdOf: (key: string) => string;
  readonly wanted: Readonly<Record<string, WantedColumn>>;
  /** The SQL of the state that is read besides the epochs. @default none */
  readonly sql?: Partial<typeof NOT_READ>;
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

function asIs(key: string): string {
  return key;
}

/** A key of two parts is the id of an origin or the type of the owner, a space, and the owner id, which can contain spaces. */
function firstOfPair(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

function ownerIdOfPair(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}
