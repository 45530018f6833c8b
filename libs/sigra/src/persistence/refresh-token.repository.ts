import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock, replacedTime } from '../common/clock.js';
import { Deadline } from '../common/deadline.js';
import type { Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime, nullable, numeric } from './columns.js';
import { ChangeBatcher } from './change-batcher.js';
import { byTokenHash, type OwnedRecord, OwnedRecordReader } from './owned-record.reader.js';
import { RefreshFamilyRepository } from './refresh-family.repository.js';
import { currentEpoch } from './owner.repository.js';
import { literal } from './qualified-names.js';
import { type EncodedRecord, RecordList } from './record-list.js';
import { type PreparedStatement, preparedStatement, type Row } from './prepared-statement.js';
import { SigraDatabase } from './sigra-database.js';
import { PackedRow } from './packed-row.js';
import { Parameters, Sql } from './sql.js';
import {
  type AuditEvent,
  auditEvents,
  refreshFamilies,
  type RefreshFamilyRow,
  refreshTokens,
  type RefreshTokenRow,
} from './tables.js';
import { UserDirectory } from './user-directory.js';

/** A refresh token with its family. */
export interface RefreshTokenOfFamily {
  readonly ownerId: string;
  readonly token: RefreshTokenRow;
  readonly family: RefreshFamilyRow;
}

/** A token, and the time since it was consumed, in seconds, by the clock of the database; null when it was not. */
export interface RefreshTokenUse {
  readonly token: RefreshTokenRow;
  readonly consumedFor: number | null;
}

/** The state of a presented token, read under the lock of its family. */
export interface RefreshTokenState extends RefreshTokenUse {
  /** The tokens that succeeded it, as far as the leeway allows: each is the successor of the one before. */
  readonly successors: readonly RefreshTokenUse[];
  /** The owner's current family epoch. */
  readonly currentEpoch: number;
}

/** A client that refreshes more often within the leeway is out of order. */
const MAX_SUCCESSORS = 100;

/** A rotation, with all rows that its statement writes. */
export interface Rotation {
  readonly tokenId: string;
  readonly family: Pick<RefreshFamilyRow, 'id' | 'ownerType' | 'ownerId' | 'allowedIps' | 'resources'>;
  readonly child: {
    readonly id: string;
    readonly tokenHash: string;
    readonly expiresAt: Date;
    readonly createdAt: Date;
  };
  /** The key that the family gets. Null leaves the family as it is. */
  readonly boundTo: string | null;
  readonly sealedSuccessor: Buffer | null;
  /** The audit row; undefined when audit is off. */
  readonly event: AuditEvent | undefined;
}

const rotations = new RecordList('rotation', {
  tokenId: refreshTokens.columns.id,
  familyId: refreshTokens.columns.familyId,
  ownerType: refreshFamilies.columns.ownerType,
  ownerId: refreshFamilies.columns.ownerId,
  allowedIps: refreshFamilies.columns.allowedIps,
  resources: refreshFamilies.columns.resources,
  boundTo: refreshFamilies.columns.dpopThumbprint,
  sealedSuccessor: refreshTokens.columns.sealedSuccessor,
  childId: refreshTokens.columns.id,
  tokenHash: refreshTokens.columns.tokenHash,
  expiresAt: refreshTokens.columns.expiresAt,
  createdAt: refreshTokens.columns.createdAt,
});
const events = new RecordList('event', { ...auditEvents.columns, tokenId: refreshTokens.columns.id });

/** A rotation whose values the columns can hold. */
interface EncodedRotation {
  readonly familyId: string;
  readonly rotation: EncodedRecord;
  readonly event: EncodedRecord | undefined;
}

interface PackedTokenOfFamily {
  readonly token: string;
  readonly family: string;
}

const PACKED = `${refreshTokens.packed('t')} AS token, ${refreshFamilies.packed('f')} AS family`;

/** What is read of a refresh token beside its row: the current epoch, and the seconds since it was consumed. */
const packedAge = new PackedRow({ currentEpoch: refreshFamilies.columns.epoch, consumedFor: nullable(numeric()) });

/** Reads and writes `sigra_refresh_tokens`. */
@Injectable()
export class RefreshTokenRepository {
  private readonly table: string;
  private readonly withFamily: string;
  private readonly ownerType: string;
  private readonly reader: OwnedRecordReader<RefreshTokenOfFamily>;
  /** In seconds. */
  private readonly leeway: number;
  private readonly isAudited: boolean;
  private readonly rotation: PreparedStatement;
  private readonly batcher: ChangeBatcher<EncodedRotation, true>;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly clock: Clock,
    private readonly families: RefreshFamilyRepository,
    users: UserDirectory,
  ) {
    this.table = database.names.refreshTokens;
    this.withFamily = `${this.table} t JOIN ${database.names.refreshFamilies} f ON f.id = t.family_id`;
    this.ownerType = config.users.type;
    this.leeway = config.jwt?.reuseLeeway ?? 0;
    this.isAudited = config.audit.enabled;
    this.rotation = this.rotationStatement();
    this.batcher = new ChangeBatcher({
      keyOf: ({ familyId }) => familyId,
      make: (changes, timeout) => this.rotateTogether(changes, timeout),
      limit: config.lookupTimeout,
    });
    // Another kind of owners can have the same ids in the same tables.
    const { key, ...lookups } = byTokenHash(this.withFamily, `f.owner_type = ${literal(this.ownerType)}`);
    this.reader = new OwnedRecordReader(
      {
        name: 'refresh_token',
        select: `${key}, ${PACKED}`,
        ...lookups,
        ownerId: 'f.owner_id',
        decode: (row) => unpack(row as Row & PackedTokenOfFamily),
      },
      database,
      users,
      config.lookupTimeout,
    );
  }

  /**
   * Finds a refresh token and its user by the SHA-256 of the raw token, in hex. Its state can change before the family is
   * locked, so do not decide by it: see `readState`.
   *
   * @throws SigraError `unavailable`
   */
  findWithOwner(tokenHash: string): Promise<OwnedRecord<RefreshTokenOfFamily> | undefined> {
    return this.reader.find(tokenHash);
  }

  /** Finds a refresh token whatever has become of it, and asks nothing about its owner. */
  find(tokenHash: string): Promise<RefreshTokenOfFamily | undefined> {
    return this.reader.findRecord(tokenHash);
  }

  /**
   * The id of a refresh token's family.
   *
   * @param timeout in milliseconds
   */
  async familyIdOf(tokenHash: string, timeout: number): Promise<string | undefined> {
    const [row] = await this.database.query<{ familyId: string }>(
      `SELECT t.family_id AS "familyId" FROM ${this.withFamily} WHERE t.token_hash = decode($1, 'hex') AND f.owner_type = $2`,
      [tokenHash, this.ownerType],
      undefined,
      timeout,
    );
    return row?.familyId;
  }

  /** Finds a refresh token that is valid now, for introspection. */
  async findLive(tokenHash: string, now: Date): Promise<RefreshTokenOfFamily | undefined> {
    const [row] = await this.database.query<PackedTokenOfFamily>(
      `SELECT ${PACKED} FROM ${this.withFamily}
       WHERE t.token_hash = decode($1, 'hex') AND t.consumed_at IS NULL AND t.expires_at > $2
         AND f.owner_type = $3 AND ${this.families.live('$2')}`,
      [tokenHash, now, this.ownerType],
    );
    return row && unpack(row);
  }

  /**
   * Reads the state that a decision is based on. A separate statement, after the lock: a `FOR UPDATE` with joins would
   * return the rows of the other tables as they were before it waited.
   *
   * @param leeway `jwt.reuseLeeway`, in seconds: successors are read as far as it allows
   */
  async readState(
    manager: EntityManager,
    tokenId: string,
    owner: Owner,
    leeway: number,
  ): Promise<RefreshTokenState | undefined> {
    const epoch = currentEpoch(this.database.names.owners, 'family_epoch', '$2', '$3');
    const now = currentTime('$4');
    const packed = refreshTokens.packedWith('chain', packedAge, {
      currentEpoch: epoch,
      consumedFor: `extract(epoch FROM ${now} - chain.consumed_at)`,
    });
    const rows = await this.database.query<{ token: string }>(
      `WITH RECURSIVE chain AS (
         SELECT t.*, 0 AS sigra_depth FROM ${this.table} t WHERE t.id = $1
         UNION ALL
         SELECT next.*, chain.sigra_depth + 1 FROM chain JOIN ${this.table} next ON next.parent_id = chain.id
         WHERE chain.consumed_at > ${now} - make_interval(secs => $5) AND $5 > 0 AND chain.sigra_depth < ${MAX_SUCCESSORS}
       )
       SELECT ${packed} AS token FROM chain ORDER BY chain.sigra_depth`,
      [tokenId, owner.type, owner.id, replacedTime(this.clock), leeway],
      manager,
    );
    const [presented, ...successors] = rows.map(({ token: text }) => {
      const [token, { consumedFor, currentEpoch: ofOwner }] = refreshTokens.unpackWith(text, packedAge);
      return { token, consumedFor, currentEpoch: ofOwner };
    });
    return presented && { ...presented, successors };
  }

  /**
   * Consumes a token, and inserts its successor and the audit row, in one statement. Rotations of one moment share it.
   *
   * It locks the family first, as all statements do. PostgreSQL then checks again whether the family was revoked or got
   * other addresses or resources, and the token consumed. It does not check the epoch again, and need not: the successor belongs to the
   * family, whose epoch a sign-out everywhere leaves behind.
   *
   * It skips a locked family instead of waiting: what it then decides would be based on what it read before.
   *
   * It removes the successor that the parent has sealed, unless the parent was consumed within the leeway: then it can still be
   * presented, and leads to this token and its successor.
   *
   * @param within the transaction to run in, or the deadline of a statement that commits itself
   * @returns whether the token was consumed by this call
   * @throws UnstorableValueError when a column cannot hold a value
   */
  async rotate(rotation: Rotation, within: EntityManager | Deadline): Promise<boolean> {
    const encoded = encode(rotation);
    if (within instanceof Deadline) return (await this.batcher.make(encoded, within)) ?? false;
    const { text } = this.rotation;
    return (await this.database.query(text, this.valuesOf([encoded]), within)).length === 1;
  }

  /** @returns the ids of the families in which a token was consumed */
  private async rotateTogether(
    changes: readonly EncodedRotation[],
    timeout: number,
  ): Promise<ReadonlyMap<string, true>> {
    const rows = await this.database.change<RotatedRow>(this.rotation, this.valuesOf(changes), timeout);
    return new Map(rows.map(({ familyId }) => [familyId, true]));
  }

  private valuesOf(changes: readonly EncodedRotation[]): readonly unknown[] {
    const audited = changes.flatMap(({ event }) => event ?? []);
    const all = [changes.map(({ rotation }) => rotation), ...(this.isAudited ? [audited] : [])];
    return [this.leeway, replacedTime(this.clock), ...all.map((records) => JSON.stringify(records))];
  }

  private rotationStatement(): PreparedStatement {
    const { names } = this.database;
    const { value } = rotations;
    const [leeway, replaced, list, eventList] = ['$1', '$2', '$3', '$4'];
    const now = value('createdAt').text;
    const databaseNow = currentTime(replaced);
    const epoch = currentEpoch(names.owners, 'family_epoch', value('ownerType').text, value('ownerId').text);
    const child = {
      id: value('childId'),
      familyId: new Sql('consumed.family_id'),
      parentId: new Sql('consumed.id'),
      tokenHash: value('tokenHash'),
      expiresAt: value('expiresAt'),
      createdAt: value('createdAt'),
    };
    const parameters = new Parameters();
    const audit = auditEvents.insertFrom(
      `consumed JOIN ${events.from(eventList)} ON ${events.value('tokenId').text} = consumed.id`,
      names.auditEvents,
      events.values,
      parameters,
    );
    return preparedStatement(`WITH rotation AS MATERIALIZED (
         SELECT * FROM ${rotations.from(list)}
       ), family AS MATERIALIZED (
         SELECT f.id FROM rotation JOIN ${names.refreshFamilies} f ON f.id = ${value('familyId').text}
         WHERE f.revoked_at IS NULL AND f.absolute_expires_at > ${now}
           AND f.allowed_ips IS NOT DISTINCT FROM ${value('allowedIps').text}
           AND f.resources IS NOT DISTINCT FROM ${value('resources').text}
           AND f.epoch = ${epoch}
         FOR NO KEY UPDATE OF f SKIP LOCKED
       ), consumed AS (
         UPDATE ${this.table} t SET consumed_at = ${databaseNow}, sealed_successor = ${value('sealedSuccessor').text}
         FROM family JOIN rotation ON ${value('familyId').text} = family.id
         WHERE t.id = ${value('tokenId').text} AND t.family_id = family.id
           AND t.consumed_at IS NULL AND t.expires_at > ${now}
         RETURNING t.id, t.family_id, t.parent_id
       ), forgotten AS (
         UPDATE ${this.table} parent SET sealed_successor = NULL FROM consumed
         WHERE parent.id = consumed.parent_id AND parent.sealed_successor IS NOT NULL
           AND parent.consumed_at <= ${databaseNow} - make_interval(secs => ${leeway})
       ), bound AS (
         UPDATE ${names.refreshFamilies} f SET dpop_thumbprint = ${value('boundTo').text}
         FROM consumed JOIN rotation ON ${value('familyId').text} = consumed.family_id
         WHERE f.id = consumed.family_id AND f.dpop_thumbprint IS NULL AND ${value('boundTo').text} IS NOT NULL
       )${this.isAudited ? `, audit AS (${audit})` : ''}
       ${refreshTokens.insertFrom(`consumed JOIN rotation ON ${value('tokenId').text} = consumed.id`, this.table, child, parameters)}
       RETURNING family_id AS "familyId"`);
  }
}

interface RotatedRow {
  readonly familyId: string;
}

function encode({ tokenId, family, boundTo, child, sealedSuccessor, event }: Rotation): EncodedRotation {
  const { id: familyId, ownerType, ownerId, allowedIps, resources } = family;
  const { id: childId, ...token } = child;
  const owner = { ownerType, ownerId, allowedIps, resources };
  return {
    familyId,
    rotation: rotations.encode({ tokenId, familyId, ...owner, boundTo, sealedSuccessor, childId, ...token }),
    event: event && events.encode({ ...event, tokenId }),
  };
}

function unpack(row: PackedTokenOfFamily): RefreshTokenOfFamily {
  const family = refreshFamilies.unpack(row.family);
  return { ownerId: family.ownerId, token: refreshTokens.unpack(row.token), family };
}
