import { describe, expect, it } from '@jest/globals';
import { bytes, json, nullable, observed, oneOf, text, time, UnstorableValueError, varchar } from './columns.js';

describe('a column', () => {
  it.each([
    ['a string with NUL', () => text().encode('a\0b')],
    ['a string with half of a surrogate pair', () => text().encode('\ud83d')],
    ['a string that is too long', () => varchar(3).encode('abcd')],
    ['too many characters outside the basic plane', () => varchar(1).encode('😀😀')],
    ['a string that is not one of its values', () => oneOf<string>('success').encode('maybe')],
    ['an invalid date', () => time().encode(new Date(Number.NaN))],
    ['a date after the year 9999', () => time().encode(new Date(8.64e15))],
    ['JSON with NUL', () => json().encode({ note: 'a\0b' })],
    ['JSON with half of a surrogate pair in a key', () => json().encode({ '\udc00': 1 })],
    ['a circular object', () => json().encode(circle())],
    ['a bigint', () => json().encode({ id: 1n })],
    ['a function', () => json().encode(() => 1)],
  ])('rejects %s before the database sees it', (_what, encode) => {
    expect(encode).toThrow(UnstorableValueError);
  });

  it.each([
    ['a whole surrogate pair', () => text().encode('😀'), '😀'],
    ['the maximum number of characters outside the basic plane', () => varchar(2).encode('😀😀'), '😀😀'],
    ['an escaped backslash before the letters of an escape', () => json().encode(['\\u0000']), '["\\\\u0000"]'],
    ['null in a nullable column', () => nullable(text()).encode(null), null],
    ['the storable part of an observed string', () => observed(4).encode('a\0b😀'), 'ab'],
  ])('stores %s', (_what, encode, stored) => {
    expect(encode()).toBe(stored);
  });

  it('decodes times from seconds, also where they can be null', () => {
    expect(time().decode?.('1767225600.123000')).toEqual(new Date(1_767_225_600_123));
    expect(nullable(time()).decode?.('1767225600')).toEqual(new Date(1_767_225_600_000));
  });

  it('decodes infinite times as invalid dates', () => {
    expect(time().decode?.('-Infinity').getTime()).toBeNaN();
  });

  it('decodes bytes from base64', () => {
    expect(bytes().decode?.('AAEC')).toEqual(Buffer.from([0, 1, 2]));
  });
});

function circle(): object {
  const value: Record<string, unknown> = {};
  value.self = value;
  return value;
}
