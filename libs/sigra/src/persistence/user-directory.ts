import { types } from 'node:util';
import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { UserProvider } from '../config/sigra-options.js';
import { unnestOf } from './batch-parameters.js';
import { BatchLoader } from './batch-loader.js';
import { type PreparedStatement, preparedStatement, type Row, SigraDatabase } from './sigra-database.js';
import { UserTable } from './user-table.js';

/** A user, or just its id. */
export type UserRef = object | string | number | bigint;

/** The host's users: found by id, many at once, and asked whether they are active. Nothing is kept between requests. */
@Injectable()
export class UserDirectory implements OnModuleInit {
  /** How to read users in the same query as something else; undefined when the host finds users itself. */
  readonly table: UserTable | undefined;
  private readonly statement: PreparedStatement | undefined;
  private readonly rows: BatchLoader<Row>;
  private readonly provided: BatchLoader<object>;
  private provider: UserProvider | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly moduleRef: ModuleRef,
  ) {
    const { source, idProperty } = config.users;
    if (source.kind === 'entity') {
      const table = new UserTable(database.dataSource, source.entity, idProperty);
      this.table = table;
      this.statement = preparedStatement(`
        SELECT wanted.id AS sigra_key, ${table.columns}
        FROM ${unnestOf('$1::text[]')} AS wanted(id) JOIN ${table.name} u ON ${table.joinOn('wanted.id')}`);
    }
    const timeout = config.lookupTimeout;
    this.rows = new BatchLoader({ load: (ids) => this.readRows(ids), timeout, spread: true });
    this.provided = new BatchLoader({ load: (ids) => this.askProvider(ids), timeout });
  }

  onModuleInit(): void {
    const { source } = this.config.users;
    if (source.kind === 'provider') {
      this.provider = typeof source.provider === 'function' ? this.resolve(source.provider) : source.provider;
    }
  }

  /** The id of a user as text. */
  idOf(user: UserRef): string {
    const id: unknown = typeof user === 'object' ? (user as Row | null)?.[this.config.users.idProperty] : user;
    // A number that is not exact could be somebody else's id.
    if (typeof id === 'bigint' || Number.isSafeInteger(id) || isStorable(id)) {
      return this.table?.canonicalId(String(id)) ?? String(id);
    }
    throw new TypeError(`sigra: a user needs an id in its property "${this.config.users.idProperty}"`);
  }

  /**
   * Finds a user that exists and is active.
   *
   * @throws SigraError `unavailable`
   */
  async findActive(id: string): Promise<object | undefined> {
    const { table } = this;
    if (!table) return this.activeOf(await this.provided.load(id));
    if (UNSTORABLE.test(id)) return undefined;
    const row = await this.rows.load(id);
    return row && this.activeOf(table.hydrate(row));
  }

  /** A user that has been read, where it is active. */
  activeOf(user: object | undefined | Promise<object>): object | undefined | Promise<object | undefined> {
    if (types.isPromise(user)) return user.then((loaded) => this.activeOf(loaded as object));
    return user && this.isActive(user) ? user : undefined;
  }

  isActive(user: object): boolean {
    // Exactly true: a promise, which would be truthy, must not let anybody in.
    return (this.config.users.isActive(user) as unknown) === true;
  }

  private async readRows(ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const rows = await this.database.read(this.statement as PreparedStatement, [ids]);
    return new Map(rows.map((row) => [row.sigra_key as string, row]));
  }

  private async askProvider(ids: readonly string[]): Promise<ReadonlyMap<string, object>> {
    if (!this.provider) throw new Error('sigra: users.provider is asked before the application has started');
    const users: readonly (object | null | undefined)[] = await inTime(
      this.provider.findByIds(ids),
      this.config.lookupTimeout,
    );
    // Some leave a gap where there is no user.
    const found = users.filter((user) => user !== null && user !== undefined);
    return new Map(found.map((user) => [this.idOf(user), user]));
  }

  private resolve(provider: Type<UserProvider>): UserProvider {
    try {
      return this.moduleRef.get(provider, { strict: false });
    } catch {
      throw new SigraConfigError(
        'users.provider',
        `${provider.name} is not a provider of this application; add it to the providers of a module`,
      );
    }
  }
}

/** A call that never ends would hold its place among those under way for ever. */
function inTime<T>(call: Promise<T>, timeout: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error('sigra: users.provider did not answer in time'));
    }, timeout);
    void Promise.resolve(call)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
      });
  });
}

/** PostgreSQL stores no NUL, and would store any half of a surrogate pair as one and the same character. */
const UNSTORABLE = /[\0\p{Cs}]/u;

function isStorable(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && !UNSTORABLE.test(id);
}
