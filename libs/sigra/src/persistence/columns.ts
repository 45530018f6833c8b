import type { EntitySchemaColumnOptions } from 'typeorm';
import { stringifyWithin } from '../common/bounded-json.js';
import { clientAddress } from '../common/client-address.js';
import { MAX_TIME, MIN_TIME } from '../common/clock.js';
import { isLongerThan, isStorable, storablePart } from '../common/storable-text.js';
import { elementsOf } from './composite-text.js';

/**
 * A column of one of Sigra's tables: how a value is written, read back as text, and described to TypeORM.
 *
 * @typeParam Value the value in the domain type
 * @typeParam Readable whether rows are read with this column
 */
export interface Column<Value = unknown, Readable extends boolean = boolean> {
  /** The PostgreSQL type that a parameter is cast to. */
  readonly type: string;
  readonly readable: Readable;
  /** The column's options for TypeORM, without its name. */
  readonly entity: EntitySchemaColumnOptions;
  /** Makes the SQL parameter of a value. @throws UnstorableValueError */
  encode(value: Value): unknown;
  /** Makes the value from its text form. @default the text is the value */
  readonly decode?: (text: string) => Value;
  /** Makes the value of NULL. @default null */
  readonly absent?: () => Value;
  /** SQL of a value with the text form. The form must not depend on settings of the session. @default the column itself */
  readonly toText?: (column: string) => string;
  /** SQL that converts a parameter to the column's type. @default the parameter itself */
  readonly fromParameter?: (parameter: string) => string;
}

/** Thrown, before a statement is sent, for a value that its column cannot hold. */
export class UnstorableValueError extends Error {
  override readonly name = 'UnstorableValueError';
}

const asIs = (value: unknown): unknown => value;

/** A UUID, for Sigra's own ids. */
export function uuid(): Column<string, true> {
  return { type: 'uuid', readable: true, entity: { type: 'uuid' }, encode: asIs };
}

/**
 * A string, stored unchanged; otherwise it is rejected.
 *
 * @param max the maximum length, in code points. @default no limit
 */
export function text(max = Infinity): Column<string, true> {
  const encode = (value: string): string => {
    // The driver would store another value as JSON, of any size.
    if (typeof value !== 'string') throw new UnstorableValueError('a value that is not a string');
    if (isLongerThan(value, max)) {
      throw new UnstorableValueError(`a string of more than ${max} characters`);
    }
    if (!isStorable(value)) throw new UnstorableValueError('a string with NUL or half of a surrogate pair');
    return value;
  };
  return { type: 'text', readable: true, entity: { type: 'text' }, encode };
}

/** One of the given strings. */
export function oneOf<Value extends string>(...values: readonly Value[]): Column<Value, true> {
  const encode = (value: Value): string => {
    if (!values.includes(value)) throw new UnstorableValueError(`a string other than ${values.join(', ')}`);
    return value;
  };
  return { type: 'text', readable: true, entity: { type: 'text' }, encode };
}

/** Like `text`, as `varchar(max)`. */
export function varchar(max: number): Column<string, true> {
  return { ...text(max), entity: { type: 'varchar', length: max } };
}

/** An informational string from a client, such as its user agent. Only its first `max` code units are stored. */
export function observed(max: number): Column<string, true> {
  return { ...text(), encode: (value) => storablePart(value, max) };
}

/** The address of a client, in the form of `clientAddress`, of at most `max` code units. */
export function address(max: number): Column<string, true> {
  return { ...text(), encode: (value) => clientAddress(storablePart(value, max)).address };
}

/** A 32-bit integer. */
export function integer(): Column<number, true> {
  return { type: 'integer', readable: true, entity: { type: 'integer' }, encode: asIs, decode: Number };
}

/** An integer that JavaScript can hold exactly. */
export function bigint(): Column<number, true> {
  return { type: 'bigint', readable: true, entity: { type: 'bigint' }, encode: asIs, decode: Number };
}

/** A number with a fraction. */
export function numeric(): Column<number, true> {
  return { type: 'numeric', readable: true, entity: { type: 'numeric' }, encode: asIs, decode: Number };
}

/** True or false. */
export function boolean(): Column<boolean, true> {
  return {
    type: 'boolean',
    readable: true,
    entity: { type: 'boolean' },
    encode: asIs,
    decode: (text) => text === 't',
  };
}

/** An array of strings. */
export function textArray(): Column<readonly string[], true> {
  return {
    type: 'text[]',
    readable: true,
    entity: { type: 'text', array: true },
    encode: asIs,
    // The elements are never null.
    decode: elementsOf as (text: string) => readonly string[],
  };
}

/** An array of UUIDs, empty by default. Used to find rows, and never selected. */
export function uuidSet(): Column<readonly string[], false> {
  return {
    type: 'uuid[]',
    readable: false,
    entity: { type: 'uuid', array: true, select: false, default: () => "'{}'" },
    encode: asIs,
  };
}

/** A point in time with milliseconds, the precision of JavaScript and of cursors. */
export function time(): Column<Date, true> {
  return {
    type: 'timestamptz',
    readable: true,
    entity: { type: 'timestamptz', precision: 3 },
    encode: (value) => {
      const at = value.getTime();
      // Negated so that an invalid date, whose time is NaN, is rejected too.
      if (!(at >= MIN_TIME && at <= MAX_TIME)) throw new UnstorableValueError('an invalid date');
      return value;
    },
    decode: (text) => new Date(Math.round(Number(text) * 1000)),
    toText: seconds,
  };
}

/** A day, as `2026-01-31`. */
export function date(): Column<string, true> {
  return {
    type: 'date',
    readable: true,
    entity: { type: 'date' },
    encode: asIs,
    toText: (column) => `to_char(${column}, 'YYYY-MM-DD')`,
  };
}

/**
 * SQL for a time as seconds since 1970, which does not depend on `DateStyle` and `TimeZone` of the session. Not `date_part()`, whose
 * result is a float: its text depends on `extra_float_digits`. Before PostgreSQL 14 this one's does, too: see `BootChecks`.
 */
export function seconds(column: string): string {
  return `extract(epoch FROM ${column})`;
}

/**
 * SQL of the database's time: by the clocks of two nodes, a retry could come too late, or a late one in time.
 *
 * @param replaced the placeholder of `replacedTime`
 */
export function currentTime(replaced: string): string {
  return `coalesce(${replaced}::timestamptz, clock_timestamp())`;
}

/**
 * A JSON value of at most 32 levels.
 *
 * @param max the maximum length, in characters. @default no limit
 */
export function json<Value>(max = Infinity): Column<Value, true> {
  return {
    type: 'jsonb',
    readable: true,
    entity: { type: 'jsonb' },
    encode: (value) => storableJson(value, max),
    decode: (text) => JSON.parse(text) as Value,
  };
}

/** Like `json`, for an object. Most are empty, and stored as NULL: each request with a token reads one, and NULL has no text. */
export function jsonObject<Value extends object>(max: number): Column<Value, true> {
  const absent = () => ({}) as Value;
  return {
    ...json<Value>(max),
    entity: {
      type: 'jsonb',
      nullable: true,
      transformer: { to: asIs, from: (value: Value | null) => value ?? absent() },
    },
    encode: (value) => {
      const json = storableJson(value, max);
      return json === '{}' ? null : json;
    },
    absent,
  };
}

/** Makes NULL the value 0, such as the epoch of an owner without a row. */
export function orZero(column: Column<number, true>): Column<number, true> {
  return { ...column, absent: () => 0 };
}

/** A SHA-256 hash, written as hex. Used to find rows, and never selected. */
export function hash(): Column<string, false> {
  return {
    type: 'text',
    readable: false,
    entity: { type: 'bytea', select: false },
    encode: asIs,
    fromParameter: (hex) => `decode(${hex}, 'hex')`,
  };
}

/** Binary data. TypeORM selects it in the application's own queries only on request. */
export function bytes(): Column<Buffer, true> {
  return {
    type: 'bytea',
    readable: true,
    entity: { type: 'bytea', select: false },
    encode: asIs,
    decode: (text) => Buffer.from(text, 'base64'),
    toText: (column) => `encode(${column}, 'base64')`,
  };
}

/** Whether a column can hold a value. */
export function canHold<Value>(column: Column<Value>, value: Value): boolean {
  try {
    column.encode(value);
    return true;
  } catch (error) {
    if (error instanceof UnstorableValueError) return false;
    throw error;
  }
}

/** Makes a column nullable. */
export function nullable<Value, Readable extends boolean>(
  column: Column<Value, Readable>,
): Column<Value | null, Readable> {
  return {
    ...column,
    entity: { ...column.entity, nullable: true },
    encode: (value) => (value === null ? null : column.encode(value)),
  };
}

/** PostgreSQL's `jsonb` rejects NUL and half of a surrogate pair, which JSON writes as escapes. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

function storableJson(value: unknown, max: number): string {
  let json: string | undefined;
  try {
    json = stringifyWithin(value, max);
  } catch (cause) {
    throw new UnstorableValueError('a value that JSON cannot express, or that is too large', { cause });
  }
  // For undefined, a function or a symbol.
  if (json === undefined) throw new UnstorableValueError('a value that JSON cannot express');
  if (UNSTORABLE_ESCAPE.test(json)) throw new UnstorableValueError('JSON with NUL or half of a surrogate pair');
  return json;
}
