import { type EntityManager, TypeORMError } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { BatchLoader } from './batch-loader.js';
import { sqlState } from './database-error.js';
import { quote } from './qualified-names.js';
import type { SigraDatabase } from './sigra-database.js';
import type { UserEntity } from './user-entity.js';

/** A user, or the error that its row causes. */
type Found = { readonly user: object } | { readonly error: unknown };

/** The callers of each id, as keys of the batch. */
type Callers = ReadonlyMap<string, readonly string[]>;

const ALIAS = 'sigra_user';

/**
 * Reads users through TypeORM, for entities that only TypeORM can make. One query serves all requests of one event-loop turn,
 * and nothing is cached, as with `OwnedRecordReader`.
 */
export class UserEntityReader {
  private readonly loader: BatchLoader<Found>;
  private calls = 0;

  /**
   * @param idOf the id of a user as Sigra spells it
   * @param timeout how long a caller waits, in milliseconds
   */
  constructor(
    private readonly entity: UserEntity,
    private readonly database: SigraDatabase,
    private readonly idOf: (user: object) => string | undefined,
    timeout: number,
  ) {
    this.loader = new BatchLoader({ name: 'user_entity', load: (keys) => this.read(callersOf(keys)), timeout });
  }

  /**
   * Finds a user by its id. Soft-deleted users do not count.
   *
   * @throws SigraError `unavailable`; also the errors of transformers, `@AfterLoad()` methods and subscribers
   */
  async find(id: string): Promise<object | undefined> {
    // Every caller has a key of its own, because handlers can change the user that they get.
    const found = await this.loader.load(`${this.calls++} ${id}`);
    if (found && 'error' in found) throw found.error;
    return found?.user;
  }

  /** The ids that no row has, whether soft-deleted or not. @throws SigraError `unavailable` */
  async missing(ids: readonly string[]): Promise<readonly string[]> {
    const { id, tableName } = this.entity;
    const column = `u.${quote(id.column.databaseName)}`;
    // The entity's own form of an id can have several values in the column.
    const values = ids.flatMap((each) => id.valuesOf(each).map((value) => ({ id: each, value })));
    const rows = await this.database.query<{ id: string }>(
      `SELECT DISTINCT wanted.id FROM unnest($1::text[], $2::text[]) AS wanted(id, value)
       JOIN ${tableName} u ON ${id.equals(column, 'wanted.value', true)}`,
      [values.map((each) => each.id), values.map(({ value }) => value)],
    );
    const found = new Set(rows.map((row) => row.id));
    return ids.filter((each) => !found.has(each));
  }

  /**
   * Whether the table has row-level security that the user of the connection does not bypass.
   *
   * @throws SigraError `unavailable`
   */
  async areHidden(): Promise<boolean> {
    const { active } = await this.database.queryOne<{ active: string }>(
      'SELECT row_security_active($1::text::regclass)::text AS active',
      [this.entity.tableName],
    );
    return active === 'true';
  }

  /** Reads a batch, and without the users that cannot be loaded if there are any: one must not stop the requests of others. */
  private async read(callers: Callers): Promise<Map<string, Found>> {
    try {
      return await this.database.transaction((manager) => this.load(manager, callers), undefined, { settles: false });
    } catch (error) {
      if (!isOfOneRow(error)) throw error;
      const ids = [...callers];
      if (ids.length === 1) return new Map(ids.flatMap(([, keys]) => keys.map((key) => [key, { error }])));
      const half = ids.length >> 1;
      const [first, second] = [new Map(ids.slice(0, half)), new Map(ids.slice(half))];
      return new Map([...(await this.read(first)), ...(await this.read(second))]);
    }
  }

  private async load(manager: EntityManager, callers: Callers): Promise<Map<string, Found>> {
    // Until the transaction ends. The host can have changed the path of this connection, for example for one of its tenants.
    const path = [...this.entity.schemas.map(quote), 'pg_temp'].join(', ');
    await manager.query(`SELECT set_config('search_path', $1, true)`, [path]);
    const found = new Map<string, Found>();
    const most = Math.max(...[...callers.values()].map((keys) => keys.length));
    for (let round = 0; round < most; round++) {
      const waiting = [...callers].filter(([, keys]) => keys.length > round);
      const users = await this.usersOf(
        manager,
        waiting.map(([id]) => id),
      );
      for (const [id, keys] of waiting) {
        const user = users.get(id);
        if (user) found.set(keys[round] as string, { user });
      }
    }
    return found;
  }

  private async usersOf(
    manager: EntityManager,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, object | undefined>> {
    const { id, metadata } = this.entity;
    const values = ids.flatMap((each) => id.valuesOf(each));
    if (values.length === 0) return new Map();
    const users = (await manager
      .createQueryBuilder(metadata.target, ALIAS)
      // Joined, because separate queries would give two users of a batch the same related object.
      .setFindOptions({ cache: false, relationLoadStrategy: 'join' })
      .andWhere(`${ALIAS}.${quote(id.column.databaseName)} = ANY (:ids)`, { ids: values })
      .getMany()) as object[];
    const found = new Map<string, object | undefined>();
    for (const user of users) {
      const own = this.idOf(user);
      // A transformer can give two rows the same id. Then neither is the user.
      if (own !== undefined) found.set(own, found.has(own) ? undefined : user);
    }
    return found;
  }
}

/** A key is a number, a space, and an id, which can contain spaces. */
function callersOf(keys: readonly string[]): Callers {
  const callers = new Map<string, string[]>();
  for (const key of keys) {
    const id = key.slice(key.indexOf(' ') + 1);
    callers.set(id, [...(callers.get(id) ?? []), key]);
  }
  return callers;
}

/** Whether a read failed because of one of its rows: in the application's own code, or by a data exception of PostgreSQL. */
function isOfOneRow(error: unknown): boolean {
  // TypeORM wraps every error of the driver.
  if (error instanceof TypeORMError) return sqlState(error)?.startsWith('22') ?? false;
  return !(error instanceof SigraError);
}
