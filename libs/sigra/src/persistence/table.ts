import { EntitySchema } from 'typeorm';
import type { Column } from './columns.js';
import { type Columns, PackedRow, type RowOf, type ValueOf } from './packed-row.js';
import { RecordList } from './record-list.js';
import { type Parameters, Sql } from './sql.js';

/** A row to insert. Omitted columns are null. */
export type NewRowOf<C extends Columns> = {
  readonly [K in keyof C as null extends ValueOf<C[K]> ? never : K]: ValueOf<C[K]> | Sql;
} & {
  readonly [K in keyof C as null extends ValueOf<C[K]> ? K : never]?: ValueOf<C[K]> | Sql | undefined;
};

/**
 * A table, with its columns by property name: `ownerId` is the column `owner_id`. The select list, the insert list, the
 * decoder, the row type and the entity for TypeORM are derived from it.
 */
export class Table<C extends Columns = Columns> {
  private readonly row: PackedRow<C>;
  private readonly primaryKey: ReadonlySet<string>;

  /** @param primaryKey the properties of the primary key */
  constructor(
    readonly name: string,
    readonly columns: C,
    ...primaryKey: readonly (keyof C & string)[]
  ) {
    this.primaryKey = new Set(primaryKey);
    this.row = new PackedRow(columns);
  }

  /** The types of all columns by their names, without lengths and precisions. */
  get columnTypes(): ReadonlyMap<string, { readonly type: string; readonly nullable: boolean }> {
    const types = Object.entries(this.columns).map(([property, { entity }]) => {
      const { type, array, nullable = false } = entity;
      return [columnName(property), { type: `${String(type)}${array ? '[]' : ''}`, nullable }] as const;
    });
    return new Map(types);
  }

  /**
   * The select list: all readable columns in one text. `unpack` decodes it.
   *
   * @param alias the table's alias in the statement
   */
  packed(alias: string): string {
    return this.row.sql((property) => `${alias}.${columnName(property)}`);
  }

  /** Like `packed`, with the values of another row behind. `unpackWith` decodes it. */
  packedWith<D extends Columns>(
    alias: string,
    other: PackedRow<D>,
    sqlOf: Readonly<Record<keyof D & string, string>>,
  ): string {
    const own = this.row.texts((property) => `${alias}.${columnName(property)}`);
    return `ROW(${[...own, ...other.texts((property) => sqlOf[property])].join(', ')})::text`;
  }

  /** Decodes the value of `packed` into a new row. */
  unpack(packed: string): RowOf<C> {
    return this.row.unpack(packed);
  }

  /** Decodes the value of `packedWith`. */
  unpackWith<D extends Columns>(packed: string, other: PackedRow<D>): readonly [RowOf<C>, RowOf<D>] {
    return this.row.unpackWith(packed, other);
  }

  /**
   * Makes `INSERT INTO …` for one row, or for many rows that have the same properties and no SQL expressions. The many are one
   * parameter, because PostgreSQL takes long to parse thousands.
   *
   * @param target the qualified name of the table
   * @throws UnstorableValueError when a column cannot hold its value
   */
  insert(target: string, rows: readonly [NewRowOf<C>, ...NewRowOf<C>[]], parameters: Parameters): string {
    const [first, ...others] = rows;
    const properties = this.given(first);
    if (others.length === 0) {
      return `INSERT INTO ${target} (${columnNames(properties)}) VALUES (${this.places(properties, first, parameters)})`;
    }
    const list = new RecordList<Columns>('given', this.only(properties));
    const records = rows.map((row) => list.encode(row as UnknownRow));
    const source = list.from(parameters.add(JSON.stringify(records)));
    return this.insertFrom(source, target, list.values as UnknownRow as NewRowOf<C>, parameters);
  }

  /**
   * Makes `INSERT INTO … SELECT …`, which inserts the row once for each row of `source`.
   *
   * @param target the qualified name of the table
   * @throws UnstorableValueError when a column cannot hold its value
   */
  insertFrom(source: string, target: string, row: NewRowOf<C>, parameters: Parameters): string {
    const properties = this.given(row);
    const places = this.places(properties, row, parameters);
    return `INSERT INTO ${target} (${columnNames(properties)}) SELECT ${places} FROM ${source}`;
  }

  /**
   * Makes the assignments of an `UPDATE`, for the properties that are given.
   *
   * @throws UnstorableValueError when a column cannot hold its value
   */
  assignments(changes: Partial<NewRowOf<C>>, parameters: Parameters): string {
    const properties = this.given(changes);
    const places = this.placesOf(properties, changes, parameters);
    return properties.map((property, index) => `${columnName(property)} = ${places[index]}`).join(', ');
  }

  /** Makes the entity for the application's DataSource. Migrations create and change the table, not TypeORM. */
  entity(name: string): EntitySchema<RowOf<C>> {
    const { primaryKey } = this;
    return new EntitySchema<RowOf<C>>({
      name,
      tableName: this.name,
      // Otherwise `synchronize` and `migration:generate` would drop the indexes that an entity cannot describe.
      synchronize: false,
      columns: Object.fromEntries(
        Object.entries(this.columns).map(([property, { entity }]) => [
          property,
          {
            ...entity,
            name: columnName(property),
            ...(primaryKey.has(property) && { primary: true, primaryKeyConstraintName: `${this.name}_pkey` }),
          },
        ]),
      ) as EntitySchema<RowOf<C>>['options']['columns'],
    });
  }

  private given(row: Partial<NewRowOf<C>>): readonly string[] {
    return Object.keys(this.columns).filter((property) => (row as UnknownRow)[property] !== undefined);
  }

  private only(properties: readonly string[]): Columns {
    return Object.fromEntries(properties.map((property) => [property, this.columns[property] as Column]));
  }

  private places(properties: readonly string[], row: NewRowOf<C>, parameters: Parameters): string {
    return this.placesOf(properties, row, parameters).join(', ');
  }

  private placesOf(
    properties: readonly string[],
    row: Partial<NewRowOf<C>>,
    parameters: Parameters,
  ): readonly string[] {
    const place = (property: string): string => {
      const value = (row as UnknownRow)[property];
      const column = this.columns[property] as Column;
      if (value instanceof Sql) return value.text;
      const parameter = `${parameters.add(column.encode(value))}::${column.type}`;
      return column.fromParameter?.(parameter) ?? parameter;
    };
    return properties.map(place);
  }
}

type UnknownRow = Readonly<Record<string, unknown>>;

function columnNames(properties: readonly string[]): string {
  return properties.map(columnName).join(', ');
}

/** `lastUsedAt` is stored in `last_used_at`. */
function columnName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
