import { types } from 'node:util';
import type { Type } from '@nestjs/common';
import type { DataSource, EntityMetadata } from 'typeorm';
import { ownCopy } from '../common/own-copy.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { Row } from './sigra-database.js';
import { quote } from './qualified-names.js';

const BIGINT_RANGE = '-9223372036854775808 AND 9223372036854775807';

type Column = EntityMetadata['columns'][number];

/**
 * Joins the application's user entity in hand-written SQL, so that one query reads tokens and their users: the columns to
 * select, a join on an id as text, and the entity of a row.
 */
export class UserTable {
  /** The quoted name of the table. */
  readonly name: string;
  /** The select list, with the alias `u`. */
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
   * The condition that joins `u` on an id as text. An id that is invalid for the column's type matches no row: a failed cast
   * would fail the whole query, and with it the requests of other callers.
   *
   * @param id an SQL expression of type text
   */
  joinOn(id: string): string {
    return `u.${quote(this.idColumn.databaseName)} = ${this.typedId(id)}${this.notDeleted}`;
  }

  /** The spelling of an id in Sigra's tables: a UUID has several. */
  canonicalId(id: string): string {
    return this.idType === 'uuid' ? id.toLowerCase() : id;
  }

  /**
   * Makes the user of a row that was selected with `columns`: a new object each time, because handlers can change
   * `request.user`.
   *
   * @returns undefined when the row has no user; a promise when an `@AfterLoad()` method of the entity returns one
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
        // CASE in CASE, because PostgreSQL can evaluate the operands of AND in any order.
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

/** SQL for whether a string is a hyphenated UUID, in either case. A regular expression takes three times as long. */
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
