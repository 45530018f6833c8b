import type { DataSource, EntityMetadata, EntitySubscriberInterface } from 'typeorm';

/**
 * Why only TypeORM can read an entity, as a predicate of "it". Sigra hydrates the entities of its joined query itself, with the
 * columns, transformers, embedded entities and `@AfterLoad()` methods of TypeORM. The other features of TypeORM are listed here.
 *
 * @returns undefined when Sigra makes the same entity; see `subscriberOf` for subscribers
 */
export function reasonForTypeOrm(
  metadata: EntityMetadata,
  id: EntityMetadata['columns'][number],
  dataSource: DataSource,
): string | undefined {
  const { columns, primaryColumns, allEmbeddeds } = metadata;
  // Only TypeORM 0.3 has them.
  const { relationCounts = [] } = metadata as { relationCounts?: readonly unknown[] };
  const classes = [metadata.target, ...allEmbeddeds.map(({ type }) => type as unknown)];
  const reasons: readonly (readonly [applies: boolean, reason: string])[] = [
    [isInherited(metadata), 'is part of table inheritance'],
    [metadata.treeType !== undefined, 'is a tree'],
    [metadata.eagerRelations.length > 0, 'has eager relations'],
    [metadata.lazyRelations.length > 0, 'has lazy relations'],
    [metadata.relationIds.length > 0, 'has ids of relations'],
    [relationCounts.length > 0, 'has counts of relations'],
    [columns.some(({ isVirtualProperty }) => isVirtualProperty), 'has virtual columns'],
    [columns.some(({ type }) => isSpatial(dataSource, type)), 'has spatial columns'],
    [[id, ...primaryColumns].some(({ transformer }) => transformer !== undefined), 'has a transformer on its id'],
    [primaryColumns.some(({ isSelect }) => !isSelect), 'has a primary column with select: false'],
    [primaryColumns.some(({ isVirtual }) => isVirtual), 'has a relation as its primary key'],
    [!metadata.isAlwaysUsingConstructor, 'is made without its constructor'],
    [classes.some(takesParameters), 'has a constructor with parameters'],
  ];
  return reasons.find(([applies]) => applies)?.[1];
}

/** Which subscriber of a DataSource listens to `afterLoad` of an entity, as a predicate of "it". */
export function subscriberOf(
  { target }: EntityMetadata,
  subscribers: readonly EntitySubscriberInterface[],
): string | undefined {
  const subscriber = subscribers.find((each) => each.afterLoad !== undefined && listensTo(each, target));
  return subscriber && `has a subscriber with afterLoad(): ${subscriber.constructor.name}`;
}

function listensTo(subscriber: EntitySubscriberInterface, target: EntityMetadata['target']): boolean {
  const listened: unknown = subscriber.listenTo?.();
  if (!listened || listened === Object || listened === target) return true;
  return Object.prototype.isPrototypeOf.call(listened, target);
}

function isInherited(metadata: EntityMetadata): boolean {
  return (
    metadata.tableType !== 'regular' ||
    metadata.inheritancePattern !== undefined ||
    metadata.discriminatorColumn !== undefined ||
    metadata.childEntityMetadatas.length > 0
  );
}

function isSpatial({ driver }: DataSource, type: EntityMetadata['columns'][number]['type']): boolean {
  return driver.spatialTypes.some((spatial) => spatial === type);
}

/** Whether a class, or one that it extends, declares parameters of its constructor. */
function takesParameters(target: unknown): boolean {
  for (let each = target; typeof each === 'function' && each !== Function.prototype;) {
    if (each.length > 0) return true;
    each = Object.getPrototypeOf(each) as unknown;
  }
  return false;
}
