import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { FLUSH_TIMEOUT_MS } from '../common/background-task.js';
import { CLOCK_MARGIN_SECONDS } from '../common/clock.js';
import type { CursorPosition, ListOrder } from '../common/cursor.js';
import { keyOfOwner, type Owner } from '../common/principal.js';
import type { ResourceLimit } from '../common/resource-limit.js';
import { storedPrefixesOf, type TokenKinds, type TokenRules } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime } from './columns.js';
import { idleEndSql } from './token-expiry.js';
import { BEFORE_ALL, KEYSETS } from './keyset.js';
import { OwnerDirectories } from './owner-directories.js';
import { byTokenHash, type OwnedRecord, OwnedRecordReader } from './owned-record.reader.js';
import {
  currentEpoch,
  type Epochs,
  joinedEpochs,
  type OwnerFilter,
  packedEpochs,
  typesIn,
} from './owner.repository.js';
import { literal } from './qualified-names.js';
import type { Row } from './prepared-statement.js';
import { SigraDatabase } from './sigra-database.js';
import { Standbys } from './standbys.js';
import { Parameters } from './sql.js';
import type { NewRowOf } from './table.js';
import { type ApiToken, apiTokens } from './tables.js';

/** A row of `sigra_api_tokens` to insert. */
export type NewApiToken = NewRowOf<typeof apiTokens.columns>;

/** Why a token was revoked. */
export type TokenRevokeReason = NonNullable<ApiToken['revokeReason']>;

/** A token, and the current epochs of its owner. */
export interface FoundApiToken extends Epochs {
  readonly ownerType: string;
  readonly ownerId: string;
  readonly token: ApiToken;
}

/** A use of a token, for `recordUses`. */
export interface TokenUse {
  readonly id: string;
  readonly at: Date;
  readonly ipAddress: string | null;
}

interface PackedToken {
  readonly token: string;
}

const PACKED = `${apiTokens.packed('t')} AS token`;
/** Reading a million tokens can take longer than a request may. */
const REPORT_TIMEOUT_MS = 60_000;
const OF_OWNER = 't.owner_type = $1 AND t.owner_id = $2';
/** Of the token `t` at the time `$3`, however often it is used. */
const NOT_ENDED = '(t.expires_at IS NULL OR t.expires_at > $3)';

/** Reads and writes `sigra_api_tokens`. */
@Injectable()
export class ApiTokenRepository {
  private readonly table: string;
  private readonly owners: string;
  /** SQL for whether the token `t` has not expired at the time `$3`. */
  private readonly unexpired: string;
  /** SQL for whether the token `t` is active at the time `$3`, in its epoch. */
  private readonly active: string;
  private readonly reader: OwnedRecordReader<FoundApiToken>;
  private readonly secretReader: OwnedRecordReader<FoundApiToken>;
  private readonly kinds: TokenKinds;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    directories: OwnerDirectories,
    standbys: Standbys,
  ) {
    this.table = database.names.apiTokens;
    this.owners = database.names.owners;
    const { kinds } = config.apiTokens;
    const isInUse = kinds.limitIdleness ? ` AND (${idleEndSql('t', { kinds })} > $3) IS NOT FALSE` : '';
    this.unexpired = `${NOT_ENDED}${isInUse}`;
    this.active = `t.revoked_at IS NULL AND ${this.unexpired}`;
    this.kinds = kinds;
    const { type } = config.users;
    const isSingle = directories.all.length === 1;
    const epochs = joinedEpochs(this.owners, isSingle ? literal(type) : 't.owner_type', 't.owner_id');
    // Another kind of owners can have the same ids in the same tables.
    const ofType = directories.isKnown('t.owner_type');
    const readerBy = (column: 'token_hash' | 'secret_hash') => {
      const { key, ...lookups } = byTokenHash(`${this.table} t ${epochs.join}`, ofType, column);
      return new OwnedRecordReader(
        {
          name: 'api_token',
          select: `${key}, ${apiTokens.packedWith('t', packedEpochs, epochs.sqlOf)} AS token`,
          ...lookups,
          ownerId: 't.owner_id',
          decode: (row) => this.found(row as Row & PackedToken),
        },
        database,
        directories.sourceFor('t.owner_type'),
        config.lookupTimeout,
        standbys,
      );
    };
    this.reader = readerBy('token_hash');
    this.secretReader = readerBy('secret_hash');
  }

  /**
   * Finds a token and its owner by the SHA-256 of the raw token, in hex. Every request with a token uses it: see
   * `OwnedRecordReader`.
   *
   * @param check runs before the owner is checked, and throws when the token cannot be used
   * @param admits whether the token can be used: then a standby can answer
   * @throws SigraError `unavailable`; also the errors of `check`
   */
  findWithOwner(
    tokenHash: string,
    check?: (found: FoundApiToken) => void,
    admits?: (found: FoundApiToken) => boolean,
  ): Promise<OwnedRecord<FoundApiToken> | undefined> {
    return this.reader.find(tokenHash, check, admits);
  }

  /** Like `findWithOwner`, by the `secret_hash` that an imported token has after its first use, in hex. */
  findBySecret(
    secretHash: string,
    check: (found: FoundApiToken) => void,
    admits: (found: FoundApiToken) => boolean,
  ): Promise<OwnedRecord<FoundApiToken> | undefined> {
    return this.secretReader.find(secretHash, check, admits);
  }

  /** Finds a token by SHA-256 of its raw form, in hex, and asks nothing about its owner. */
  find(tokenHash: string): Promise<FoundApiToken | undefined> {
    return this.reader.findRecord(tokenHash);
  }

  /** Inserts a token and returns the row. */
  async insert(manager: EntityManager, token: NewApiToken): Promise<ApiToken> {
    const parameters = new Parameters();
    const insert = apiTokens.insert(`${this.table} AS t`, [token], parameters);
    return this.unpack(await this.database.queryOne(`${insert} RETURNING ${PACKED}`, parameters.values, manager));
  }

  /** Inserts tokens that have the same properties, and returns the rows by their ids. */
  async insertAll(
    manager: EntityManager,
    tokens: readonly [NewApiToken, ...NewApiToken[]],
  ): Promise<ReadonlyMap<string, ApiToken>> {
    const parameters = new Parameters();
    const insert = apiTokens.insert(`${this.table} AS t`, tokens, parameters);
    const rows = await this.database.query<PackedToken>(`${insert} RETURNING ${PACKED}`, parameters.values, manager);
    return new Map(rows.map((row) => this.unpack(row)).map((token) => [token.id, token]));
  }

  /**
   * Reads a token of an owner type.
   *
   * @param owner without an id, a token of any owner of the type
   */
  async read(manager: EntityManager, id: string, owner: OwnerFilter): Promise<ApiToken | undefined> {
    return this.readOne(manager, id, owner, '');
  }

  /** Like `read`, and locks the row until the transaction ends. */
  async lock(manager: EntityManager, id: string, owner: OwnerFilter): Promise<ApiToken | undefined> {
    return this.readOne(manager, id, owner, 'FOR NO KEY UPDATE');
  }

  /**
   * Reads the last token of a chain of rotations unless it is revoked, and locks its row until the transaction ends. Rotation
   * locks its owner, so the caller that has locked the owner gets the one that is current.
   *
   * @param makerId see `makerIdOf`
   */
  async lockSuccessor(manager: EntityManager, makerId: string, owner: Owner): Promise<ApiToken | undefined> {
    return this.readSuccessor(manager, makerId, owner, 'FOR NO KEY UPDATE');
  }

  /**
   * Reads the last token of a chain of rotations, without a lock.
   *
   * @param makerId see `makerIdOf`
   * @param owner without a type, a token of any owner: what a token makes can have another owner
   */
  async readSuccessor(
    manager: EntityManager,
    makerId: string,
    filter: Partial<OwnerFilter>,
    lock = '',
  ): Promise<ApiToken | undefined> {
    const [row] = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE (t.id = $1 OR t.origin_id = $1) AND t.replaced_by IS NULL AND t.revoked_at IS NULL
         AND ($2::text[] IS NULL OR t.owner_type = ANY ($2)) AND ($3::text IS NULL OR t.owner_id = $3) ${lock}`,
      [makerId, filter.type === undefined ? null : typesIn({ type: filter.type }), filter.id ?? null],
      manager,
    );
    return row && this.unpack(row);
  }

  /**
   * Reads the tokens of a chain of rotations that are not revoked, and locks their rows until the transaction ends. Rotation
   * locks its owner, so the caller that has locked the owner gets all.
   *
   * @param makerId see `makerIdOf`
   */
  async lockRotations(manager: EntityManager, makerId: string, owner: Owner): Promise<readonly ApiToken[]> {
    const rows = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE (t.id = $1 OR t.origin_id = $1) AND t.revoked_at IS NULL AND t.owner_type = $2 AND t.owner_id = $3
       ORDER BY t.created_at, t.id FOR NO KEY UPDATE`,
      [makerId, owner.type, owner.id],
      manager,
    );
    return rows.map((row) => this.unpack(row));
  }

  /** Revokes tokens that the transaction has locked. */
  async revoke(manager: EntityManager, ids: readonly string[], at: Date): Promise<void> {
    await this.database.query(
      `UPDATE ${this.table} SET revoked_at = $2, revoke_reason = 'revoked' WHERE id = ANY ($1::uuid[])`,
      [ids, at],
      manager,
    );
  }

  /** Changes properties of a token that the transaction has locked. */
  async update(manager: EntityManager, id: string, changes: Partial<NewApiToken>): Promise<ApiToken> {
    const parameters = new Parameters();
    const assignments = apiTokens.assignments(changes, parameters);
    return this.unpack(
      await this.database.queryOne(
        `UPDATE ${this.table} t SET ${assignments} WHERE t.id = ${parameters.add(id)} RETURNING ${PACKED}`,
        parameters.values,
        manager,
      ),
    );
  }

  /**
   * Counts the active tokens of an owner, up to `limit`.
   *
   * @param epoch of the tokens. @default the owner's current epoch
   */
  async countActive(manager: EntityManager, owner: Owner, now: Date, limit: number, epoch?: number): Promise<number> {
    const current = currentEpoch(this.owners, 'token_epoch', '$1', '$2');
    const { count } = await this.database.queryOne<{ count: number | string }>(
      `SELECT count(*)::int AS count FROM (
         SELECT FROM ${this.table} t
         WHERE ${OF_OWNER} AND ${this.active} AND t.token_epoch = coalesce($5, ${current}) LIMIT $4
       ) AS active`,
      [owner.type, owner.id, now, limit, epoch ?? null],
      manager,
    );
    return Number(count);
  }

  /** Counts the active tokens of several owners, up to `limit` each, by `keyOfOwner`. */
  async countActiveOf(
    manager: EntityManager,
    owners: readonly Owner[],
    now: Date,
    limit: number,
  ): Promise<ReadonlyMap<string, number>> {
    const current = currentEpoch(this.owners, 'token_epoch', 'wanted.type', 'wanted.id');
    const rows = await this.database.query<Owner & { count: number | string }>(
      `SELECT wanted.type, wanted.id, (SELECT count(*)::int FROM (
         SELECT FROM ${this.table} t
         WHERE t.owner_type = wanted.type AND t.owner_id = wanted.id AND ${this.active} AND t.token_epoch = ${current} LIMIT $4
       ) AS active) AS count
       FROM unnest($1::text[], $2::text[]) AS wanted(type, id)`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id), now, limit],
      manager,
    );
    return new Map(rows.map((row) => [keyOfOwner(row), Number(row.count)]));
  }

  /**
   * Counts the tokens that the end of an epoch has revoked, whether their rows have been marked or not.
   *
   * @param at the time of the revocation, with which the rows are marked
   */
  async countEnded(owner: Owner, epoch: number, at: Date, reason: TokenRevokeReason): Promise<number> {
    const marked = `t.revoked_at = $3 AND t.revoke_reason = $5 AND ${this.unexpired}`;
    const { count } = await this.database.queryOne<{ count: number | string }>(
      // The owner twice, because the indexes of owners are partial.
      `SELECT count(*)::int AS count FROM ${this.table} t
       WHERE ((${OF_OWNER} AND ${this.active}) OR (${OF_OWNER} AND ${marked})) AND t.token_epoch = $4`,
      [owner.type, owner.id, at, epoch, reason],
      undefined,
      REPORT_TIMEOUT_MS,
    );
    return Number(count);
  }

  /** The scopes of all active tokens of an owner in an epoch. */
  async activeScopes(manager: EntityManager, owner: Owner, now: Date, epoch: number): Promise<readonly string[]> {
    const rows = await this.database.query<{ scope: string }>(
      `SELECT DISTINCT scope FROM ${this.table} t, unnest(t.scopes) AS scope
       WHERE ${OF_OWNER} AND ${this.active} AND t.token_epoch = $4 ORDER BY scope`,
      [owner.type, owner.id, now, epoch],
      manager,
    );
    return rows.map(({ scope }) => scope);
  }

  /**
   * Lists the active tokens of an owner after `position`.
   *
   * @param timeout in milliseconds
   * @param within only tokens that are limited to these resources
   */
  async listActive(
    owner: Owner,
    now: Date,
    limit: number,
    position: CursorPosition | undefined,
    timeout: number,
    within: ResourceLimit,
    order: ListOrder,
  ): Promise<ApiToken[]> {
    const { start, beyond, direction } = KEYSETS[order];
    const { createdAt, id } = position ?? start;
    const visible = within === null ? '' : ` AND ${isWithin('t.resources', '$7')}`;
    const rows = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE ${OF_OWNER} AND ${this.active} AND t.token_epoch = ${currentEpoch(this.owners, 'token_epoch', '$1', '$2')}
         AND (t.created_at, t.id) ${beyond} ($4, $5)${visible}
       ORDER BY t.created_at ${direction}, t.id ${direction} LIMIT $6`,
      [owner.type, owner.id, now, createdAt, id, limit, ...(within === null ? [] : [within])],
      undefined,
      timeout,
    );
    return rows.map((row) => this.unpack(row));
  }

  /**
   * Lists the active tokens of some types of owners without an expiry, or with one that is too late for their kind, oldest first.
   *
   * @param withUnused whether tokens that `idleTtl` has ended are listed, too
   */
  async listOutsideRules(
    ownerTypes: readonly string[],
    now: Date,
    limit: number,
    position?: CursorPosition,
    withUnused = false,
  ): Promise<ApiToken[]> {
    const { createdAt, id } = position ?? BEFORE_ALL;
    const current = currentEpoch(this.owners, 'token_epoch', 't.owner_type', 't.owner_id');
    const { all, others } = this.kinds;
    const rules = all.flatMap((kind) =>
      storedPrefixesOf(kind).map((prefix) => [prefix, longestLifetime(kind)] as const),
    );
    const rows = await this.database.query<PackedToken>(
      // Each type by itself, because the index has the order of its tokens.
      `SELECT found.token FROM unnest($1::text[]) AS wanted(type) CROSS JOIN LATERAL (
         SELECT ${PACKED}, t.created_at, t.id FROM ${this.table} t
         LEFT JOIN unnest($7::text[], $8::float8[]) AS kind(prefix, ttl) ON kind.prefix = t.prefix
         WHERE t.owner_type = wanted.type AND t.revoked_at IS NULL AND ${withUnused ? NOT_ENDED : this.unexpired}
           AND t.token_epoch = ${current} AND coalesce(kind.ttl, $2) >= 0
           AND (t.expires_at IS NULL OR t.expires_at > t.created_at + make_interval(secs => nullif(coalesce(kind.ttl, $2), 0)))
           AND (t.created_at, t.id) > ($4, $5)
         ORDER BY t.created_at, t.id LIMIT $6
       ) AS found ORDER BY found.created_at, found.id LIMIT $6`,
      [
        ownerTypes,
        longestLifetime(others),
        now,
        createdAt,
        id,
        limit,
        rules.map(([prefix]) => prefix),
        rules.map(([, ttl]) => ttl),
      ],
      undefined,
      REPORT_TIMEOUT_MS,
    );
    return rows.map((row) => this.unpack(row));
  }

  /** The prefixes of the API tokens among some makers, each in its current form; see `makerIdOf`. */
  async prefixesOf(manager: EntityManager, makerIds: readonly string[]): Promise<readonly string[]> {
    const rows = await this.database.query<{ prefix: string }>(
      `SELECT DISTINCT t.prefix FROM ${this.table} t
       WHERE t.replaced_by IS NULL
         AND (t.id = ANY($1::uuid[]) OR (t.origin_id = ANY($1::uuid[]) AND t.revoked_at IS NULL))`,
      [makerIds],
      manager,
    );
    return rows.map(({ prefix }) => prefix);
  }

  /**
   * Records the last uses of tokens. `last_used_at` only moves forward. Skips rows that another transaction has locked,
   * whose next use is recorded instead.
   *
   * @param thresholdSeconds skips tokens whose last use was recorded less than this long before
   * @param replaced see `replacedTime`
   */
  async recordUses(uses: readonly TokenUse[], thresholdSeconds: number, replaced: Date | null): Promise<void> {
    // By a wrong clock, one use could be so late that no other is recorded after it.
    const now = currentTime('$5');
    const tooLate = `${now} + make_interval(secs => ${CLOCK_MARGIN_SECONDS})`;
    await this.database.query(
      `WITH uses AS (
         SELECT id, least(at, ${now}) AS at, ip FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS use(id, at, ip)
       ), due AS (
         SELECT t.id FROM ${this.table} t JOIN uses ON uses.id = t.id
         WHERE t.last_used_at IS NULL OR t.last_used_at <= uses.at - make_interval(secs => $4) OR t.last_used_at > ${tooLate}
         FOR NO KEY UPDATE OF t SKIP LOCKED
       )
       UPDATE ${this.table} t SET last_used_at = uses.at, last_used_ip = nullif(uses.ip, '')
       FROM due JOIN uses ON uses.id = due.id
       WHERE t.id = due.id AND (t.last_used_at IS NULL OR t.last_used_at < uses.at OR t.last_used_at > ${tooLate})`,
      // With `array_nulls = off`, a null in an array would be the string 'NULL'.
      [
        uses.map((use) => use.id),
        uses.map((use) => use.at),
        uses.map((use) => use.ipAddress ?? ''),
        thresholdSeconds,
        replaced,
      ],
      undefined,
      FLUSH_TIMEOUT_MS,
    );
  }

  private async readOne(
    manager: EntityManager,
    id: string,
    filter: OwnerFilter,
    lock: string,
  ): Promise<ApiToken | undefined> {
    const [row] = await this.database.query<PackedToken>(
      `SELECT ${PACKED} FROM ${this.table} t
       WHERE t.id = $1 AND t.owner_type = ANY ($2::text[]) AND ($3::text IS NULL OR t.owner_id = $3) ${lock}`,
      [id, typesIn(filter), filter.id ?? null],
      manager,
    );
    return row && this.unpack(row);
  }

  private unpack({ token }: PackedToken): ApiToken {
    return this.kinds.label(apiTokens.unpack(token));
  }

  private found({ token: packed }: PackedToken): FoundApiToken {
    const [token, { tokenEpoch, familyEpoch }] = apiTokens.unpackWith(packed, packedEpochs);
    const { ownerType, ownerId } = token;
    return { ownerType, ownerId, token: this.kinds.label(token), tokenEpoch, familyEpoch };
  }
}

/** SQL for whether a credential is limited to resources that are all in a list; see `isWithinResources`. */
function isWithin(column: string, list: string): string {
  const isHeld = `resource = ANY (${list}::text[]) OR split_part(resource, ':', 1) || ':*' = ANY (${list}::text[])`;
  return `${column} IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(${column}) AS resource WHERE NOT (${isHeld}))`;
}

/** The longest lifetime of a token, in seconds: 0 if it only needs an expiry, -1 without a limit. */
function longestLifetime({ requireExpiry, maxTtl }: TokenRules): number {
  return maxTtl ?? (requireExpiry ? 0 : -1);
}
