import { types } from 'node:util';
import type { DataSource, EntityMetadata } from 'typeorm';
import { ownCopy } from '../common/own-copy.js';
import { quote } from './qualified-names.js';
import type { Row } from './prepared-statement.js';
import type { UserEntity } from './user-entity.js';
import type { UserColumn } from './user-id.column.js';

/**
 * Joins the application's user entity in hand-written SQL, so that one query reads tokens and their users: the columns to
 * select, a join on an id as text, and the entity of a row. Only for entities that TypeORM would make in the same way: see
 * `typeorm-only.ts`.
 */
export class UserTable {
  /** The quoted name of the table, with its schema. */
  readonly name: string;
  /** The select list, with the alias of the table. */
  readonly columns: string;
  private readonly selected: readonly { readonly column: UserColumn; readonly alias: string }[];
  private readonly idAlias: string;
  private readonly idColumn: UserEntity['id'];
  private readonly notDeleted: string;
  private readonly metadata: EntityMetadata;

  constructor(
    { metadata, id, tableName }: UserEntity,
    private readonly driver: DataSource['driver'],
    /** The alias of the table in statements. */
    readonly alias = 'u',
  ) {
    this.idColumn = id;
    this.name = tableName;
    this.selected = metadata.columns
      .filter((column) => column.isSelect && !column.isVirtual && !column.isVirtualProperty)
      .map((column, index) => ({ column, alias: `sigra_${alias === 'u' ? 'user' : alias}_${index}` }));
    this.idAlias = this.selected.find(({ column }) => column === id.column)?.alias ?? '';
    this.columns = this.selected
      .map(({ column, alias: name }) => `${alias}.${quote(column.databaseName)} AS ${name}`)
      .join(', ');
    const deleted = metadata.deleteDateColumn;
    this.notDeleted = deleted ? ` AND ${alias}.${quote(deleted.databaseName)} IS NULL` : '';
    this.metadata = metadata;
  }

  /**
   * The condition that joins the table on an id as text.
   *
   * @param id an SQL expression of type text
   * @param checksIds see `UserIdColumn.equals`
   */
  joinOn(id: string, checksIds: boolean): string {
    return (
      this.idColumn.equals(`${this.alias}.${quote(this.idColumn.column.databaseName)}`, id, checksIds) + this.notDeleted
    );
  }

  /**
   * Makes the user of a row that was selected with `columns`: a new object each time, because handlers can change
   * `request.user`.
   *
   * @returns undefined when the row has no user; a promise when an `@AfterLoad()` method of the entity returns one
   */
  hydrate(row: Row): object | undefined | Promise<object> {
    if (row[this.idAlias] == null) return undefined;
    const user = this.metadata.create() as object;
    for (const { column, alias } of this.selected) {
      column.setEntityValue(user, this.driver.prepareHydratedValue(ownCopy(row[alias]), column));
    }
    const { afterLoadListeners } = this.metadata;
    return afterLoadListeners.length === 0 ? user : afterLoad(user, afterLoadListeners);
  }
}

function afterLoad(user: object, listeners: EntityMetadata['afterLoadListeners']): object | Promise<object> {
  const results = listeners.map((listener): unknown => listener.execute(user));
  return results.some(types.isPromise) ? Promise.all(results).then(() => user) : user;
}
