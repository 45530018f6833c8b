import { types } from 'node:util';
import { Logger, type Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { Deadline } from '../common/deadline.js';
import { referenceIn } from '../common/owner-reference.js';
import { ownerIdOf, MAX_ID_LENGTH, type Owner } from '../common/principal.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { isScoped } from '../config/provider-scope.check.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { UserProvider } from '../config/sigra-options.js';
import type { OwnerTypeConfig } from '../config/users.section.js';
import { BatchLoader } from './batch-loader.js';
import type { OwnerJoin, OwnerKey, OwnerSource } from './owned-record.reader.js';
import type { Row } from './prepared-statement.js';
import type { SigraDatabase } from './sigra-database.js';
import type { UserEntity } from './user-entity.js';
import { UserEntityReader } from './user-entity.reader.js';
import { UserTable } from './user-table.js';

/** A user object or its id. */
export type UserRef = object | string | number | bigint;

const NOT_JOINED: readonly OwnerJoin[] = [];

/**
 * Finds the application's active users, or owners of another type, by id, in batches and without a cache. Every one is found
 * here, in one of three ways: in the row of the joined query, by TypeORM, or by the application's `UserProvider`.
 */
export class UserDirectory implements OwnerSource {
  private readonly joined: UserTable | undefined;
  private readonly entities: UserEntityReader | undefined;
  private readonly provided: BatchLoader<object>;
  private provider: UserProvider | undefined;
  private isAnnounced = false;

  /**
   * @param owners the options of these owners
   * @param timeout in milliseconds
   * @param alias of their table in statements
   */
  constructor(
    private readonly owners: OwnerTypeConfig,
    private readonly timeout: number,
    database: SigraDatabase,
    private readonly entity: UserEntity | undefined,
    private readonly moduleRef: ModuleRef,
    alias?: string,
  ) {
    if (entity) {
      this.joined = new UserTable(entity, database.dataSource.driver, alias);
      this.entities = new UserEntityReader(entity, database, (user) => this.ownIdOf(user), timeout);
    }
    this.provided = new BatchLoader({ name: 'user_provider', load: (ids) => this.askProvider(ids), timeout });
  }

  /**
   * The users' table, to join in other queries; undefined when TypeORM or a `UserProvider` finds the users. It can become
   * undefined while the application starts, when a subscriber is added.
   */
  get table(): UserTable | undefined {
    if (!this.joined || this.entity?.onlyTypeOrm === undefined) return this.joined;
    this.announce(this.entity, this.entity.onlyTypeOrm);
    return undefined;
  }

  /** The type of these owners. */
  get type(): string {
    return this.owners.type;
  }

  joins(id: string): readonly OwnerJoin[] {
    const { table } = this;
    return table ? [{ table, id }] : NOT_JOINED;
  }

  /** Finds the provider and the subscribers, when all providers of the application exist. */
  start(): void {
    const { source } = this.owners;
    if (source.kind === 'provider') {
      this.provider = typeof source.provider === 'function' ? this.resolve(source.provider) : source.provider;
    }
    // Now that all providers of the application exist, their subscribers are known.
    if (this.entity?.onlyTypeOrm !== undefined) this.announce(this.entity, this.entity.onlyTypeOrm);
  }

  /**
   * The id of a user, as a string.
   *
   * @throws TypeError when the user has no id, an unsafe integer as its id, or an id of more than 512 characters
   */
  idOf(user: UserRef): string {
    const id = this.ownIdOf(user);
    if (id === undefined) {
      throw new TypeError(
        `sigra: a user needs an id of 1 to ${MAX_ID_LENGTH} characters in its property "${this.owners.idProperty}"`,
      );
    }
    return id;
  }

  /**
   * A user as the owner of credentials.
   *
   * @throws TypeError as `idOf`
   */
  ownerOf(user: UserRef): Owner {
    return { type: this.type, id: this.idOf(user) };
  }

  /**
   * The user with this id, if it exists and is active.
   *
   * @param row selected with `table.columns`; unused when there is no table
   * @param owner with the id as Sigra's tables spell it
   */
  activeOwner(row: Row, { ownerId: id }: OwnerKey): object | undefined | Promise<object | undefined> {
    const { table } = this;
    const user = table ? table.hydrate(row) : this.load(id);
    return types.isPromise(user)
      ? user.then((loaded) => this.ifActive(loaded as object | undefined, id))
      : this.ifActive(user, id);
  }

  /**
   * The ids that no user has, whether active, soft-deleted or not. Reads the users themselves, so it is for clean-up.
   *
   * @param ids at most 512
   * @throws SigraError `unavailable`
   */
  async missing(ids: readonly string[]): Promise<readonly string[]> {
    if (this.entities) return this.entities.missing(ids);
    const found = await this.askProvider(ids);
    return ids.filter((id) => !found.has(id));
  }

  /**
   * Whether row-level security can hide users from the connections of the application.
   *
   * @throws SigraError `unavailable`
   */
  async areHidden(): Promise<boolean> {
    return (await this.entities?.areHidden()) ?? false;
  }

  /** Whether the application's `users.isActive` returns true for a user. */
  isActive(user: object): boolean {
    // Exactly true: a promise is truthy, and would make every user active.
    return (this.owners.isActive(user) as unknown) === true;
  }

  private load(id: string): Promise<object | undefined> {
    return this.entities ? this.entities.find(id) : this.provided.load(id);
  }

  /**
   * The one place where the user of every credential and session passes. It has the id that the credential names: a
   * transformer, a subscriber or a provider can return another user. Another spelling of the id is refused too, because it is
   * not the id that rows store, such as the row of the user's epoch.
   */
  private ifActive(user: object | undefined, id: string): object | undefined {
    return user && this.hasId(user, id) && this.isActive(user) ? user : undefined;
  }

  private hasId(user: object, id: string): boolean {
    // The first comparison is enough for ids with one spelling, and spares every request the second.
    const isSame = (user as Row)[this.owners.idProperty] === id && this.entity?.id.hasSpellings !== true;
    return isSame || this.ownIdOf(user) === id;
  }

  private ownIdOf(user: UserRef): string | undefined {
    // A reference to another owner must not pass as a user.
    if (referenceIn(user)) throw new TypeError('sigra: this method takes a user, and not an owner of another type');
    const id: unknown = typeof user === 'object' ? (user as Row | null)?.[this.owners.idProperty] : user;
    const text = ownerIdOf(id);
    return text === undefined ? undefined : this.canonicalId(text);
  }

  /** The spelling of an id in Sigra's tables: a UUID has several. */
  canonicalId(id: string): string {
    return this.entity ? this.entity.id.canonical(id) : id;
  }

  /** Whether the column of the ids can hold an id. A `UserProvider` knows its ids itself. */
  canHold(id: string): boolean {
    return !this.entity || this.entity.id.valuesOf(id).length > 0;
  }

  private announce({ metadata: { name } }: UserEntity, reason: string): void {
    if (this.isAnnounced) return;
    this.isAnnounced = true;
    new Logger(UserDirectory.name).log(`Reads ${name} with TypeORM, which is slower: it ${reason}`);
  }

  private async askProvider(ids: readonly string[]): Promise<ReadonlyMap<string, object>> {
    if (!this.provider)
      throw new Error(`sigra: ${this.owners.path}.provider was called before the application has started`);
    // A call that does not end would occupy its slot forever.
    const deadline = Deadline.after(this.timeout);
    const users: readonly (object | null | undefined)[] = await deadline.limit(
      Promise.resolve(this.provider.findByIds(ids)),
      tooLate,
    );
    // Some providers return null or undefined for a missing user.
    const found = users.filter((user) => user !== null && user !== undefined);
    return new Map(found.map((user) => [this.idOf(user), user]));
  }

  private resolve(type: Type<UserProvider>): UserProvider {
    const provider = this.instanceOf(type) as Partial<UserProvider> | undefined;
    if (typeof provider?.findByIds === 'function') return provider as UserProvider;
    throw new SigraConfigError(`${this.owners.path}.provider`, `${type.name} has no method findByIds()`);
  }

  private instanceOf(type: Type<UserProvider>): unknown {
    try {
      return this.moduleRef.get<unknown>(type, { strict: false });
    } catch (error) {
      const problem = isScoped(error)
        ? 'is request-scoped or transient, or depends on such a provider, but one call of it serves the requests of many users; give it the default scope'
        : 'is not a provider of this application; add it to the providers of a module';
      throw new SigraConfigError(`${this.owners.path}.provider`, `${type.name} ${problem}`);
    }
  }
}

function tooLate(): SigraError {
  return refuse('unavailable', 'The users were not found in time.');
}
