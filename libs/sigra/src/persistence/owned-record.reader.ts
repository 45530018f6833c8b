import { types } from 'node:util';
import { limitFurther } from '../common/deadline.js';
import type { LookupName } from '../telemetry/channels.js';
import { BatchLoader } from './batch-loader.js';
import { isInvalidValue } from './database-error.js';
import { type PreparedStatement, preparedStatement, type Row } from './prepared-statement.js';
import type { SigraDatabase } from './sigra-database.js';
import type { Standbys } from './standbys.js';
import type { UserTable } from './user-table.js';

/** The parts of a reader's statement, without the user's, and the decoder of its rows. */
export interface RecordSource<R> {
  /** For the diagnostics channels `sigra:lookup:*`. */
  readonly name: LookupName;
  /** The select list. The column `sigra_key` is the key of the row. */
  readonly select: string;
  /** Finds the row of one key, which takes two thirds of the time of a batch of one. */
  readonly one: Lookup;
  /** Finds the rows of many keys. */
  readonly many: Lookup;
  /** The SQL expression of the owner's id. */
  readonly ownerId: string;
  /** Makes a new record on each call, because callers can change it. */
  readonly decode: (row: Row) => R;
  /** The owner's id in a key, if it has one: a `UserProvider` is then asked at the same time as the database. */
  readonly ownerIdOf?: (key: string) => string;
}

/** A way to find rows by their keys. */
export interface Lookup {
  /** The FROM clause with its joins. */
  readonly from: string;
  /** The WHERE condition. @default no condition */
  readonly where?: string;
  /** The parameters for the keys. */
  readonly parameters: (keys: readonly string[]) => readonly unknown[];
}

/** A table of owners to join, and the SQL expression of their ids. */
export interface OwnerJoin {
  readonly table: UserTable;
  readonly id: string;
}

/** The owner of a record. The type is that of the source, if it has only one. */
export interface OwnerKey {
  readonly ownerId: string;
  readonly ownerType?: string;
}

/** The source of the owners of records. */
export interface OwnerSource {
  /**
   * The tables that are joined in the same query; none when TypeORM or a `UserProvider` finds the owners.
   *
   * @param ownerId the SQL expression of the owner's id
   */
  joins(ownerId: string): readonly OwnerJoin[];
  /** The active owner; from the row if its table is joined. */
  activeOwner(row: Row, owner: OwnerKey): object | undefined | Promise<object | undefined>;
}

/** A record and its owner, a user or another one. `user` is undefined when the owner does not exist or is not active. */
export interface OwnedRecord<R> {
  readonly record: R;
  readonly user: object | undefined;
}

/**
 * Reads records by a key, together with their owners. One query, or two at once, serves all requests of one event-loop turn.
 * Nothing is cached: the query starts after the request has arrived.
 */
export class OwnedRecordReader<R extends OwnerKey> {
  private readonly loader: BatchLoader<Row>;
  private readonly standbyLoader: BatchLoader<Row> | undefined;
  private readonly prepared = new Map<Lookup, PreparedStatement>();
  /** Whether the statements check the owners' ids. They do from the first id on that is invalid for the users' id column. */
  private checksIds = false;

  /**
   * @param timeout how long a caller waits, in milliseconds
   * @param standbys answer calls of `find` with `admits`. @default the primary answers all
   */
  constructor(
    private readonly source: RecordSource<R>,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerSource,
    private readonly timeout: number,
    private readonly standbys?: Standbys,
  ) {
    const { name } = source;
    const patience = standbys?.patience ?? 0;
    this.loader = new BatchLoader({
      name,
      load: (keys) => this.read(keys),
      timeout: timeout - patience,
      spread: true,
    });
    if (patience > 0) {
      const load = (keys: readonly string[]) => this.readAtStandby(keys);
      // Not spread: each statement has the fixed cost of a proof.
      this.standbyLoader = new BatchLoader({ name, load, timeout: patience });
    }
  }

  /**
   * Finds a record and its owner.
   *
   * @param check runs before the owner is checked, and throws when the record cannot be used, which saves a call of the
   * application's `UserProvider`
   * @param admits whether a record is sufficient, so that a standby can answer. The primary decides about all
   * others: a standby refuses nothing
   * @returns undefined when there is no such record
   * @throws SigraError `unavailable`; also the errors of `check`
   */
  async find(
    key: string,
    check?: (record: R) => void,
    admits?: (record: R) => boolean,
  ): Promise<OwnedRecord<R> | undefined> {
    if (admits && this.standbys?.isLikely()) {
      const admitted = await this.findAtStandby(key, admits);
      if (admitted) return admitted;
    }
    const { decode, ownerIdOf } = this.source;
    const loading = this.loader.load(key);
    const waitingSince = performance.now();
    const provided =
      ownerIdOf && this.owners.joins(this.source.ownerId).length === 0
        ? Promise.resolve(this.owners.activeOwner({}, { ownerId: ownerIdOf(key) }))
        : undefined;
    // Together, so that a rejection of one does not go unhandled while the other is awaited.
    if (provided) await Promise.all([loading, provided]);
    const row = await loading;
    if (!row) return undefined;
    const record = decode(row);
    check?.(record);
    const user = provided ?? this.owners.activeOwner(row, record);
    // Only a promise is awaited: every await costs a request a turn of the microtask queue.
    if (!types.isPromise(user)) return { record, user };
    return { record, user: await limitFurther({ waitingSince }, this.timeout, user as Promise<object | undefined>) };
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

  private async findAtStandby(key: string, admits: (record: R) => boolean): Promise<OwnedRecord<R> | undefined> {
    const waitingSince = performance.now();
    let row: Row | undefined;
    try {
      row = await this.standbyLoader?.load(key);
    } catch {
      // It took too long, or has too many callers.
    }
    if (!row) return undefined;
    const record = this.source.decode(row);
    if (!admits(record)) return undefined;
    const active = this.owners.activeOwner(row, record);
    const user = types.isPromise(active)
      ? await limitFurther({ waitingSince }, this.timeout, active as Promise<object | undefined>)
      : active;
    return user && { record, user };
  }

  /** Made at the first read: whether there is a table is known when all subscribers of the application are. */
  private statement(lookup: Lookup): PreparedStatement {
    const existing = this.prepared.get(lookup);
    if (existing) return existing;
    const { select, ownerId } = this.source;
    const { from, where } = lookup;
    const joins = this.owners.joins(ownerId);
    const columns = joins.map(({ table }) => `, ${table.columns}`).join('');
    const tables = joins
      .map(({ table, id }) => ` LEFT JOIN ${table.name} ${table.alias} ON ${table.joinOn(id, this.checksIds)}`)
      .join('');
    const statement = preparedStatement(`
      SELECT ${select}${columns}
      FROM ${from}${tables}
      ${where === undefined ? '' : `WHERE ${where}`}`);
    this.prepared.set(lookup, statement);
    return statement;
  }

  private async read(keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const lookup = keys.length === 1 ? this.source.one : this.source.many;
    const parameters = lookup.parameters(keys);
    const { checksIds } = this;
    let rows: Row[];
    try {
      rows = await this.database.read(this.statement(lookup), parameters);
    } catch (error) {
      if (checksIds || !isInvalidValue(error)) throw error;
      if (!this.checksIds) this.prepared.clear();
      this.checksIds = true;
      rows = await this.database.read(this.statement(lookup), parameters);
    }
    return byKey(rows);
  }

  private async readAtStandby(keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const lookup = keys.length === 1 ? this.source.one : this.source.many;
    return byKey((await this.standbys?.read(this.statement(lookup), lookup.parameters(keys))) ?? []);
  }
}

function byKey(rows: readonly Row[]): ReadonlyMap<string, Row> {
  const found = new Map<string, Row>();
  for (const row of rows) found.set(row.sigra_key as string, row);
  return found;
}

/*
 * A batch of keys is passed in a subquery, which hides their number from the planner. For dozens of visible keys,
 * planning would take longer than the query, and the planner would choose a sequential scan of a small table.
 */

/**
 * The parts of a source that finds rows by a hash. Its keys are hashes in hex.
 *
 * @param from the FROM clause, in which the table of tokens is `t`
 * @param condition a further condition
 * @param column the column of the hashes, which is unique
 */
export function byTokenHash(
  from: string,
  condition: string,
  column: 'token_hash' | 'secret_hash' = 'token_hash',
): Pick<RecordSource<never>, 'one' | 'many'> & { readonly key: string } {
  const lookup = (where: string, parameters: Lookup['parameters']): Lookup => ({
    from,
    where: `t.${column} = ${where} AND ${condition}`,
    parameters,
  });
  return {
    key: `encode(t.${column}, 'hex') AS sigra_key`,
    one: lookup(`decode($1, 'hex')`, (hashes) => hashes),
    // An array literal without quotes is cheaper to write and to parse than the driver's.
    many: lookup(`ANY (ARRAY(SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS hash))`, (hashes) => [
      `{${hashes.join(',')}}`,
    ]),
  };
}

/** A column of the relation `wanted`: its type, and its value in a key. */
export interface WantedColumn {
  readonly type: string;
  readonly valueIn: (key: string) => string;
}

/**
 * The parts of a source that joins tables to the keys themselves, which are the relation `wanted`.
 *
 * @param columns the columns of `wanted`
 * @param joins the joins that follow `wanted` in the FROM clause
 */
export function byWanted(
  columns: Readonly<Record<string, WantedColumn>>,
  joins: string,
): Pick<RecordSource<never>, 'one' | 'many'> {
  const all = Object.values(columns);
  const wanted = (source: string) => `${source} AS wanted(${Object.keys(columns).join(', ')}) ${joins}`;
  const parameters = all.map(({ type }, index) => ({
    one: `$${index + 1}::${type}`,
    many: `$${index + 1}::${type}[]`,
  }));
  return {
    one: {
      from: wanted(`(SELECT ${parameters.map(({ one }) => one).join(', ')})`),
      parameters: ([key = '']) => all.map(({ valueIn }) => valueIn(key)),
    },
    many: {
      from: wanted(`unnest(${parameters.map(({ many }) => `(SELECT ${many})`).join(', ')})`),
      parameters: (keys) => all.map(({ valueIn }) => keys.map(valueIn)),
    },
  };
}
