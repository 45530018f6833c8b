import { types } from 'node:util';
import type { Type } from '@nestjs/common';
import type { DataSource, EntityMetadata } from 'typeorm';
import { ownCopy } from '../common/own-copy.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { Row } from './sigra-database.js';
import { quote } from './table-names.js';

const BIGINT_RANGE = '-9223372036854775808 AND 9223372036854775807';

type Column = EntityMetadata['columns'][number];

/**
 * The host's user entity as a piece of a hand-written query: columns to select, a safe join on a textual id, and the way
 * back from a row to an entity. Reading users beside their tokens in one query is what makes this worth it.
 */
export class UserTable {
  /** The table, quoted. */
  readonly name: string;
  /** The select list under the alias `u`. */
  readonly columns: string;
  private readonly selected: readonly { readonly column: Column; readonly alias: string }[];
  private readonly idAlias: string;
  private readonly idColumn: Column;
  private readonly idType: string;
  private readonly notDeleted: string;
  private readonly metadata: EntityMetadata;

  constructor(
    private readonly dataSource: DataSource,
    private readonly entity: Type<object>,
    idProperty: string,
  ) {
    const metadata = userMetadata(dataSource, entity);
    this.idColumn = idColumn(metadata, idProperty);
    this.idType = dataSource.driver.normalizeType(this.idColumn);
    this.name = metadata.tablePath.split('.').map(quote).join('.');
    this.selected = metadata.columns
      .filter((column) => column.isSelect && !column.isVirtual && !column.isVirtualProperty)
      .map((column, index) => ({ column, alias: `sigra_user_${index}` }));
    this.idAlias = this.selected.find(({ column }) => column === this.idColumn)?.alias ?? '';
    if (this.idAlias === '') {
      throw new SigraConfigError('users.id', `names a column that is not selected; remove "select: false" from it`);
    }
    this.columns = this.selected.map(({ column, alias }) => `u.${quote(column.databaseName)} AS ${alias}`).join(', ');
    const deleted = metadata.deleteDateColumn;
    this.notDeleted = deleted ? ` AND u.${quote(deleted.databaseName)} IS NULL` : '';
    this.metadata = metadata;
  }

  /**
   * The condition that joins `u` on the text in `id`. A text that is no value of the id column's type matches nothing,
   * where a bare cast would fail the whole query and everybody else's request with it.
   */
  joinOn(id: string): string {
    return `u.${quote(this.idColumn.databaseName)} = ${this.typedId(id)}${this.notDeleted}`;
  }

  /** The one spelling of an id under which its tokens are kept: a UUID has several. */
  canonicalId(id: string): string {
    return this.idType === 'uuid' ? id.toLowerCase() : id;
  }

  /**
   * The user in a row that was selected with `columns`, or undefined when the row has none. An object of its own for each
   * call: handlers may change what they find in request.user. A promise where an `@AfterLoad()` of the entity returns one.
   */
  hydrate(row: Row): object | undefined | Promise<object> {
    if (row[this.idAlias] == null) return undefined;
    const { driver } = this.dataSource;
    const user = this.metadata.create() as object;
    for (const { column, alias } of this.selected) {
      column.setEntityValue(user, driver.prepareHydratedValue(ownCopy(row[alias]), column));
    }
    const { afterLoadListeners } = this.metadata;
    return afterLoadListeners.length === 0 ? user : afterLoad(user, afterLoadListeners);
  }

  private typedId(id: string): string {
    switch (this.idType) {
      case 'uuid':
        return `CASE WHEN ${uuidCondition(id)} THEN ${id}::uuid END`;
      case 'smallint':
      case 'integer':
      case 'bigint':
        // CASE in CASE: the order in which AND looks at its sides is the planner's business.
        return (
          `CASE WHEN ${id} ~ '^(0|-?[1-9][0-9]{0,18})$' ` +
          `THEN CASE WHEN ${id}::numeric BETWEEN ${BIGINT_RANGE} THEN ${id}::bigint END END`
        );
      case 'text':
      case 'citext':
      case 'character varying':
        return id;
      default:
        throw new SigraConfigError(
          'users.id',
          `is a column of type "${this.idType}" of ${this.entity.name}; Sigra reads uuid, integer and text ids itself. ` +
            'Give users.provider instead of users.entity',
        );
    }
  }
}

/** Whether a text is a UUID as PostgreSQL writes them, in either case: a third of what a regular expression costs. */
function uuidCondition(text: string): string {
  return `${text} LIKE '________-____-____-____-____________' AND translate(${text}, '0123456789abcdefABCDEF', '') = '----'`;
}

function afterLoad(user: object, listeners: EntityMetadata['afterLoadListeners']): object | Promise<object> {
  const results = listeners.map((listener): unknown => listener.execute(user));
  return results.some(types.isPromise) ? Promise.all(results).then(() => user) : user;
}

function userMetadata(dataSource: DataSource, entity: Type<object>): EntityMetadata {
  if (!dataSource.hasMetadata(entity)) {
    throw new SigraConfigError(
      'users.entity',
      `${entity.name} is not an entity of the DataSource; add it to its entities`,
    );
  }
  const metadata = dataSource.getMetadata(entity);
  if (metadata.tableType !== 'regular' || metadata.childEntityMetadatas.length > 0) {
    throw new SigraConfigError(
      'users.entity',
      `${entity.name} uses table inheritance or is a view; give users.provider instead of users.entity`,
    );
  }
  return metadata;
}

function idColumn(metadata: EntityMetadata, property: string): Column {
  const column = metadata.findColumnWithPropertyName(property);
  if (!column) {
    throw new SigraConfigError('users.id', `${metadata.name} has no column "${property}"; name the property of its id`);
  }
  return column;
}
