import type { Column } from './columns.js';
import type { Columns, ValueOf } from './packed-row.js';
import { Sql } from './sql.js';

/** A row that `RecordList.encode` has checked. */
export type EncodedRecord = Readonly<Record<string, unknown>>;

type RecordOf<C extends Columns> = { readonly [K in keyof C]: ValueOf<C[K]> };

/** Rows that a statement gets in one JSON parameter, so that its text is the same for any number of rows. */
export class RecordList<C extends Columns> {
  constructor(
    private readonly alias: string,
    private readonly columns: C,
  ) {}

  /**
   * The rows, as an item of a FROM list.
   *
   * @param parameter the placeholder of the rows, such as `$1`
   */
  from(parameter: string): string {
    // As text, which a cast reads like a parameter of its own; only arrays are arrays in JSON, too.
    const types = Object.entries(this.columns).map(([property, { type }]) =>
      type.endsWith('[]') ? `"${property}" ${type}` : `"${property}" text`,
    );
    return `json_to_recordset(${parameter}::json) AS ${this.alias}(${types.join(', ')})`;
  }

  /** The SQL of a value, with the type of its column. */
  readonly value = (property: keyof C & string): Sql => {
    const { type, fromParameter } = this.columns[property] as Column;
    const value = `${this.alias}."${property}"::${type}`;
    return new Sql(fromParameter?.(value) ?? value);
  };

  /** The SQL of all values. */
  get values(): { readonly [K in keyof C]: Sql } {
    const properties = Object.keys(this.columns) as (keyof C & string)[];
    return Object.fromEntries(properties.map((property) => [property, this.value(property)])) as {
      readonly [K in keyof C]: Sql;
    };
  }

  /** @throws UnstorableValueError when a column cannot hold a value */
  encode(row: RecordOf<C>): EncodedRecord {
    return Object.fromEntries(
      Object.entries(this.columns).map(([property, column]) => [property, asJson(column.encode(row[property]))]),
    );
  }
}

function asJson(value: unknown): unknown {
  return Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : value;
}
