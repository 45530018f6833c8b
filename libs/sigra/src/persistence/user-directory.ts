import { types } from 'node:util';
import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isStorable } from '../common/storable-text.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { UserProvider } from '../config/sigra-options.js';
import { BatchLoader } from './batch-loader.js';
import { OwnedRecordReader, type OwnerSource, unnested } from './owned-record.reader.js';
import { type Row, SigraDatabase } from './sigra-database.js';
import { UserTable } from './user-table.js';

/** A user object or its id. */
export type UserRef = object | string | number | bigint;

/** Finds the application's active users by id, in batches and without a cache. */
@Injectable()
export class UserDirectory implements OwnerSource, OnModuleInit {
  /** The users' table, to join in other queries; undefined with a `UserProvider`. */
  readonly table: UserTable | undefined;
  private readonly reader: OwnedRecordReader<{ readonly userId: undefined }> | undefined;
  private readonly provided: BatchLoader<object>;
  private provider: UserProvider | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    database: SigraDatabase,
    private readonly moduleRef: ModuleRef,
  ) {
    const { users, lookupTimeout: timeout } = config;
    if (users.source.kind === 'entity') {
      const table = new UserTable(database.dataSource, users.source.entity, users.idProperty);
      this.table = table;
      this.reader = new OwnedRecordReader(
        {
          select: 'wanted.id AS sigra_key',
          from: `${unnested('$1::text[]')} AS wanted(id)`,
          ownerId: 'wanted.id',
          parameters: (ids) => [ids],
          // A session can have another spelling of the id; the caller takes the id of the user that is found.
          decode: () => ({ userId: undefined }),
        },
        database,
        this,
        timeout,
      );
    }
    this.provided = new BatchLoader({ load: (ids) => this.askProvider(ids), timeout });
  }

  onModuleInit(): void {
    const { source } = this.config.users;
    if (source.kind === 'provider') {
      this.provider = typeof source.provider === 'function' ? this.resolve(source.provider) : source.provider;
    }
  }

  /**
   * The id of a user, as a string.
   *
   * @throws TypeError when the user has no id, or an unsafe integer as its id
   */
  idOf(user: UserRef): string {
    const id = this.ownIdOf(user);
    if (id === undefined) {
      throw new TypeError(`sigra: a user needs an id in its property "${this.config.users.idProperty}"`);
    }
    return id;
  }

  /**
   * Finds a user that exists and is active.
   *
   * @throws SigraError `unavailable`
   */
  async findActive(id: string): Promise<object | undefined> {
    if (!this.reader) return this.activeOwner({}, id);
    return isStorable(id) ? (await this.reader.find(id))?.user : undefined;
  }

  /**
   * The user with this id, if it exists and is active: from the row, or from the application's `UserProvider`.
   *
   * @param row selected with `table.columns`; unused when there is no table
   */
  activeOwner(row: Row, id: string | undefined): object | undefined | Promise<object | undefined> {
    const user = this.table ? this.table.hydrate(row) : this.provided.load(id ?? '');
    return types.isPromise(user)
      ? user.then((loaded) => this.ifActive(loaded as object | undefined, id))
      : this.ifActive(user, id);
  }

  /** Whether the application's `users.isActive` returns true for a user. */
  isActive(user: object): boolean {
    // Exactly true: a promise is truthy, and would make every user active.
    return (this.config.users.isActive(user) as unknown) === true;
  }

  /**
   * Compares the ids too: another spelling, such as an upper-case UUID, finds the user but is not the id that rows
   * store.
   */
  private ifActive(user: object | undefined, id: string | undefined): object | undefined {
    if (!user || (id !== undefined && !this.hasId(user, id))) return undefined;
    return this.isActive(user) ? user : undefined;
  }

  private hasId(user: object, id: string): boolean {
    // The first comparison is enough for string ids, and spares every request the second.
    return (user as Row)[this.config.users.idProperty] === id || this.ownIdOf(user) === id;
  }

  private ownIdOf(user: UserRef): string | undefined {
    const id: unknown = typeof user === 'object' ? (user as Row | null)?.[this.config.users.idProperty] : user;
    // An unsafe integer is rounded, so it could be the id of another user.
    const isId =
      typeof id === 'bigint' || Number.isSafeInteger(id) || (typeof id === 'string' && id !== '' && isStorable(id));
    return isId ? (this.table?.canonicalId(String(id)) ?? String(id)) : undefined;
  }

  private async askProvider(ids: readonly string[]): Promise<ReadonlyMap<string, object>> {
    if (!this.provider) throw new Error('sigra: users.provider was called before the application has started');
    const users: readonly (object | null | undefined)[] = await inTime(
      this.provider.findByIds(ids),
      this.config.lookupTimeout,
    );
    // Some providers return null or undefined for a missing user.
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

/** Rejects a call that does not end in time and would occupy its slot forever. */
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
