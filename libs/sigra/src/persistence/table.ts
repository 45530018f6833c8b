import { EntitySchema } from 'typeorm';
import type { Column } from './columns.js';
import { elementsOf } from './composite-text.js';

type Columns = Readonly<Record<string, Column>>;
type ValueOf<C> = C extends Column<infer Value> ? Value : never;

/** A row of a table as its repository returns it: all readable columns. */
export type RowOf<C extends Columns> = {
  // Not `as`, which loses the doc comments of the columns.
  readonly [K in keyof Pick<C, ReadableKeys<C>>]: ValueOf<C[K]>;
};

type ReadableKeys<C extends Columns> = {
  [K in keyof C]: C[K] extends Column<unknown, false> ? never : K;
}[keyof C];

/** A row to insert. Omitted columns are null. */
export type NewRowOf<C extends Columns> = {
  readonly [K in keyof C as null extends ValueOf<C[K]> ? never : K]: ValueOf<C[K]> | Sql;
} & {
  readonly [K in keyof C as null extends ValueOf<C[K]> ? K : never]?: ValueOf<C[K]> | Sql | undefined;
};

/** An SQL expression in place of a value. */
export class Sql {
  constructor(readonly text: string) {}
}

/** The parameters of a statement, numbered in the order in which they are added. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds a value. @returns its placeholder, such as `$1` */
  add(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}

/**
 * A table, with its columns by property name: `ownerId` is the column `owner_id`. The select list, the insert list, the
 * decoder, the row type and the entity for TypeORM are derived from it.
 */
export class Table<C extends Columns = Columns> {
  private readonly readable: readonly string[];
  private readonly rowOf: (values: readonly (string | null)[]) => RowOf<C>;
  private readonly primaryKey: ReadonlySet<string>;

  /** @param primaryKey the properties of the primary key */
  constructor(
    readonly name: string,
    readonly columns: C,
    ...primaryKey: readonly (keyof C & string)[]
  ) {
    this.primaryKey = new Set(primaryKey);
    this.readable = Object.keys(columns).filter((property) => columns[property]?.readable);
    this.rowOf = decoder(this.readable, columns) as typeof this.rowOf;
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
   * The select list: all readable columns in one text, which costs the driver a third of the time of separate columns, and
   * does not depend on the type parsers that the application sets on `pg`. PostgreSQL writes the text form of a row in a
   * third of the time of a JSON array. `unpack` decodes it.
   *
   * @param alias the table's alias in the statement
   * @param extras SQL of further values, for `unpackWithExtras`
   */
  packed(alias: string, ...extras: readonly string[]): string {
    const values = this.readable.map((property) => {
      const column = `${alias}.${columnName(property)}`;
      return this.columns[property]?.toText?.(column) ?? column;
    });
    return `ROW(${[...values, ...extras].join(', ')})::text`;
  }

  /** Decodes the value of `packed` into a new row. */
  unpack(packed: string): RowOf<C> {
    return this.rowOf(elementsOf(packed));
  }

  /** Decodes the value of `packed` with extras: the row, and the texts of the extras. */
  unpackWithExtras(packed: string): { readonly row: RowOf<C>; readonly extras: readonly (string | null)[] } {
    const values = elementsOf(packed);
    return { row: this.rowOf(values), extras: values.slice(this.readable.length) };
  }

  /**
   * Makes `INSERT INTO … VALUES …` for rows that have the same properties.
   *
   * @param target the qualified name of the table
   * @throws UnstorableValueError when a column cannot hold its value
   */
  insert(target: string, rows: readonly [NewRowOf<C>, ...NewRowOf<C>[]], parameters: Parameters): string {
    const properties = this.given(rows[0]);
    const tuples = rows.map((row) => `(${this.places(properties, row, parameters)})`);
    return `INSERT INTO ${target} (${columnNames(properties)}) VALUES ${tuples.join(', ')}`;
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

/**
 * Makes the function from the texts of the columns to a row. It is compiled as one object literal, which takes a third of the time of a loop
 * over the columns; every request with a token decodes a row. The names are those of the columns above, never input.
 */
function decoder(properties: readonly string[], columns: Columns): (values: readonly (string | null)[]) => unknown {
  const decoders = properties.map((property) => columns[property]?.decode);
  const members = properties.map((property, index) => {
    const value = `values[${index}]`;
    return `${property}: ${decoders[index] ? `${value} === null ? null : decoders[${index}](${value})` : value}`;
  });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const make = new Function('decoders', `return (values) => ({ ${members.join(', ')} });`) as (
    given: typeof decoders,
  ) => (values: readonly (string | null)[]) => unknown;
  return make(decoders);
}

type UnknownRow = Readonly<Record<string, unknown>>;

function columnNames(properties: readonly string[]): string {
  return properties.map(columnName).join(', ');
}

/** `lastUsedAt` is stored in `last_used_at`. */
function columnName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
