import type { Type } from '@nestjs/common';
import type { DataSource, EntityMetadata } from 'typeorm';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { SigraConfig } from '../config/sigra-config.js';
import type { OwnerTypeConfig } from '../config/users.section.js';
import { qualified } from './qualified-names.js';
import type { SigraDatabase } from './sigra-database.js';
import { describeColumn, schemasOf } from './table-catalog.js';
import { reasonForTypeOrm, subscriberOf } from './typeorm-only.js';
import { type UserColumn, UserIdColumn } from './user-id.column.js';

/** The injection token of the `OwnerEntities`. */
export const OWNER_ENTITIES = Symbol('OWNER_ENTITIES');

/** The entity of each type of owners, without those that a `UserProvider` finds. */
export type OwnerEntities = ReadonlyMap<string, UserEntity>;

/** No request waits while the application starts, so `lookupTimeout` would be needlessly short. */
const BOOT_TIMEOUT_MS = 60_000;

function useProvider({ path }: OwnerTypeConfig): string {
  return `give ${path}.provider instead of ${path}.entity`;
}

/** The application's user entity, checked against the database when the application starts. */
export class UserEntity {
  private readonly reason: string | undefined;
  private subscribers: readonly unknown[] = [];
  private subscriberCount = -1;
  private subscriber: string | undefined;

  constructor(
    readonly metadata: EntityMetadata,
    readonly id: UserIdColumn,
    private readonly dataSource: DataSource,
    /** The quoted name of its table, with its schema. */
    readonly tableName: string,
    /** The schemas in which TypeORM finds the tables of entities without a schema. */
    readonly schemas: readonly string[],
  ) {
    this.reason = reasonForTypeOrm(metadata, id.column, dataSource);
  }

  /**
   * Why only TypeORM can read the entity, as a predicate of "it"; undefined when the joined query reads the same. Subscribers
   * count when they are added later too, as by the constructor of a Nest provider.
   */
  get onlyTypeOrm(): string | undefined {
    if (this.reason !== undefined) return this.reason;
    const { subscribers } = this.dataSource;
    if (subscribers !== this.subscribers || subscribers.length !== this.subscriberCount) {
      this.subscribers = subscribers;
      this.subscriberCount = subscribers.length;
      this.subscriber ??= subscriberOf(this.metadata, subscribers);
    }
    return this.subscriber;
  }
}

/**
 * Describes the entities of all owners when the application starts.
 *
 * @throws SigraConfigError when neither the joined query nor TypeORM can read one, or its id does not identify one owner
 */
export async function describeOwnerEntities(
  { ownerTypes }: SigraConfig,
  database: SigraDatabase,
): Promise<OwnerEntities> {
  const entities = new Map<string, UserEntity>();
  for (const owners of ownerTypes) {
    const { type, source } = owners;
    if (source.kind === 'entity') entities.set(type, await describeEntity(owners, source.entity, database));
  }
  return entities;
}

async function describeEntity(
  owners: OwnerTypeConfig,
  target: Type<object>,
  database: SigraDatabase,
): Promise<UserEntity> {
  const { dataSource } = database;
  const metadata = metadataOf(dataSource, target, owners);
  const column = idColumnOf(metadata, owners);
  const run = (sql: string, values: readonly unknown[]) => database.query(sql, values, undefined, BOOT_TIMEOUT_MS);
  const [schema] = await schemasOf(run, [
    { schema: metadata.schema === '' ? undefined : metadata.schema, name: metadata.tableName },
  ]);
  const table = { schema, name: metadata.tableName };
  const facts = await describeColumn(run, table, column.databaseName);
  const id = new UserIdColumn(column, dataSource.driver, facts);
  const tableName = qualified(schema, metadata.tableName);
  if (!(facts.column?.isUnique ?? isDeclaredUnique(metadata, column))) {
    throw new SigraConfigError(
      `${owners.path}.id`,
      `names "${owners.idProperty}" of ${metadata.name}, which is not unique in ${tableName}, so one id can have several users; ` +
        'make it the only primary key, add a unique constraint on it alone, or name a property that has one',
    );
  }
  const entity = new UserEntity(metadata, id, dataSource, tableName, facts.schemas);
  assertUncached(metadata, dataSource, owners);
  return entity;
}

function metadataOf(dataSource: DataSource, entity: Type<object>, owners: OwnerTypeConfig): EntityMetadata {
  const path = `${owners.path}.entity`;
  if (!dataSource.hasMetadata(entity)) {
    throw new SigraConfigError(path, `${entity.name} is not an entity of the DataSource; add it to its entities`);
  }
  const metadata = dataSource.getMetadata(entity);
  if (metadata.tableType !== 'regular' && metadata.tableType !== 'entity-child') {
    throw new SigraConfigError(path, `${entity.name} is a ${metadata.tableType}; ${useProvider(owners)}`);
  }
  return metadata;
}

/** The column of the id: one whose value is the property itself, and is always read. */
function idColumnOf(metadata: EntityMetadata, owners: OwnerTypeConfig): UserColumn {
  const { path, idProperty: property } = owners;
  const named = metadata.columns.filter((column) => column.propertyName === property);
  const column = named.find(({ embeddedMetadata }) => !(embeddedMetadata as unknown));
  const wrongId = (problem: string) => new SigraConfigError(`${path}.id`, problem);
  if (!column && named.length > 0) {
    throw wrongId(
      `names "${property}", which ${metadata.name} has only inside of an embedded entity; ${useProvider(owners)}`,
    );
  }
  if (!column) throw wrongId(`${metadata.name} has no column "${property}"; name the property of its id`);
  if (column.isVirtual || column.isVirtualProperty) {
    throw wrongId(
      `names "${property}" of ${metadata.name}, which is a relation or a virtual column; name a real column`,
    );
  }
  if (!column.isSelect) throw wrongId('names a column that is not selected; remove "select: false" from it');
  return column;
}

/** Whether the entity says that the id is unique. Only asked while its table does not exist. */
function isDeclaredUnique({ primaryColumns, uniques, indices }: EntityMetadata, column: UserColumn): boolean {
  const isAlone = (columns: readonly UserColumn[]) => columns.length === 1 && columns[0] === column;
  return (
    isAlone(primaryColumns) ||
    uniques.some(({ columns }) => isAlone(columns)) ||
    indices.some(({ isUnique, where, columns }) => isUnique && !where && isAlone(columns))
  );
}

/** TypeORM can be told not to cache the read of an entity, but not what it reads for `@RelationId()`. */
function assertUncached(metadata: EntityMetadata, { options }: DataSource, owners: OwnerTypeConfig): void {
  const caches = typeof options.cache === 'object' && options.cache.alwaysEnabled === true;
  if (!caches || (metadata.relationIds.length === 0 && metadata.eagerRelations.length === 0)) return;
  throw new SigraConfigError(
    `${owners.path}.entity`,
    `${metadata.name} has relations that TypeORM reads, and the DataSource caches what it reads (cache.alwaysEnabled), so that ` +
      `users could act after they are disabled; turn that off, or ${useProvider(owners)}`,
  );
}
