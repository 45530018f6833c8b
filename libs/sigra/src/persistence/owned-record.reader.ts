import { types } from 'node:util';
import { BatchLoader } from './batch-loader.js';
import { type PreparedStatement, preparedStatement, type Row, type SigraDatabase } from './sigra-database.js';
import type { UserTable } from './user-table.js';

/** The parts of a reader's statement, without the user's, and the decoder of its rows. */
export interface RecordSource<R> {
  /** The select list. The column `sigra_key` is the key of the row. */
  readonly select: string;
  /** The FROM clause with its joins. */
  readonly from: string;
  /** The SQL expression of the owner's id. */
  readonly ownerId: string;
  /** The WHERE condition. @default no condition */
  readonly where?: string;
  /** The parameters for a batch of keys. */
  readonly parameters: (keys: readonly string[]) => readonly unknown[];
  /** Makes a new record on each call, because callers can change it. */
  readonly decode: (row: Row) => R;
  /** The owner's id in a key, if it has one: a `UserProvider` is then asked at the same time as the database. */
  readonly ownerIdOf?: (key: string) => string;
}

/** The source of the owners of records. */
export interface OwnerSource {
  /** The users' table, joined in the same query; undefined when TypeORM or a `UserProvider` finds the users. */
  readonly table: UserTable | undefined;
  /** The active user with this id; from the row if there is a table. */
  activeOwner(row: Row, id: string): object | undefined | Promise<object | undefined>;
}

/** A record and its owner. `user` is undefined when the owner does not exist or is not active. */
export interface OwnedRecord<R> {
  readonly record: R;
  readonly user: object | undefined;
}

/**
 * Reads records by a key, together with their owners. One query, or two at once, serves all requests of one event-loop turn.
 * Nothing is cached: the query starts after the request has arrived.
 */
export class OwnedRecordReader<R extends { readonly ownerId: string }> {
  private readonly loader: BatchLoader<Row>;
  private prepared: PreparedStatement | undefined;

  /** @param timeout how long a caller waits, in milliseconds */
  constructor(
    private readonly source: RecordSource<R>,
    private readonly database: SigraDatabase,
    private readonly users: OwnerSource,
    timeout: number,
  ) {
    this.loader = new BatchLoader({ load: (keys) => this.read(keys), timeout, spread: true });
  }

  /**
   * Finds a record and its owner.
   *
   * @param check runs before the owner is checked, and throws when the record cannot be used, which saves a call of the
   * application's `UserProvider`
   * @returns undefined when there is no such record
   * @throws SigraError `unavailable`; also the errors of `check`
   */
  async find(key: string, check?: (record: R) => void): Promise<OwnedRecord<R> | undefined> {
    const { decode, ownerIdOf } = this.source;
    const loading = this.loader.load(key);
    const provided =
      ownerIdOf && !this.users.table ? Promise.resolve(this.users.activeOwner({}, ownerIdOf(key))) : undefined;
    // Together, so that a rejection of one does not go unhandled while the other is awaited.
    if (provided) await Promise.all([loading, provided]);
    const row = await loading;
    if (!row) return undefined;
    const record = decode(row);
    check?.(record);
    const user = provided ?? this.users.activeOwner(row, record.ownerId);
    // Only a promise is awaited: every await costs a request a turn of the microtask queue.
    return { record, user: types.isPromise(user) ? ((await user) as object | undefined) : user };
  }

  /**
   * Finds a record without its owner: no `UserProvider`, `isActive` or `@AfterLoad()` is asked.
   *
   * @throws SigraError `unavailable`
   */
  async findRecord(key: string): Promise<R | undefined> {
    const row = await this.loader.load(key);
    return row && this.source.decode(row);
  }

  /** Made at the first read: whether there is a table is known when all subscribers of the application are. */
  private get statement(): PreparedStatement {
    if (this.prepared) return this.prepared;
    const { select, from, ownerId, where } = this.source;
    const { table } = this.users;
    return (this.prepared = preparedStatement(`
      SELECT ${select}${table ? `, ${table.columns}` : ''}
      FROM ${from}${table ? ` LEFT JOIN ${table.name} u ON ${table.joinOn(ownerId)}` : ''}
      ${where === undefined ? '' : `WHERE ${where}`}`));
  }

  private async read(keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const rows = await this.database.read(this.statement, this.source.parameters(keys));
    return new Map(rows.map((row) => [row.sigra_key as string, row]));
  }
}

/*
 * A batch of keys is passed in a subquery, which hides their number from the planner. For dozens of visible keys,
 * planning would take longer than the query, and the planner would choose a sequential scan of a small table.
 */

/** The parts of a source that finds rows by `token_hash`. Its keys are hashes in hex. */
export function byTokenHash(
  alias: string,
): Pick<RecordSource<never>, 'where' | 'parameters'> & { readonly key: string } {
  return {
    key: `encode(${alias}.token_hash, 'hex') AS sigra_key`,
    where: `${alias}.token_hash = ANY (ARRAY(SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS hash))`,
    // An array literal without quotes is cheaper to write and to parse than the driver's.
    parameters: (hashes) => [`{${hashes.join(',')}}`],
  };
}

/** SQL that turns array parameters into the columns of a table. */
export function unnested(...parameters: readonly string[]): string {
  return `unnest(${parameters.map((parameter) => `(SELECT ${parameter})`).join(', ')})`;
}
