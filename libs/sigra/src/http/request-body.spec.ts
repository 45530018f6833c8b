import { describe, expect, it } from '@jest/globals';
import { parseBody, parseInstant, parseNumber } from './request-body.js';

describe('parseBody', () => {
  it.each([undefined, null])('reads %s as an empty object', (body) => {
    expect(parseBody(body, ['name'])).toEqual({});
  });

  it('names at most three unknown fields', () => {
    const body = { a: 1, b: 2, c: 3, d: 4, name: 5, e: 6 };

    expect(() => parseBody(body, ['name'])).toThrow('Unknown field "a", "b", "c" and 2 more.');
  });

  it('finds unknown fields in an object without a prototype, as some parsers create', () => {
    const body = Object.assign(Object.create(null) as object, { name: 'x', userId: '1' });

    expect(() => parseBody(body, ['name'])).toThrow('Unknown field "userId".');
  });

  it('refuses a field called __proto__', () => {
    expect(() => parseBody(JSON.parse('{"__proto__":{}}'), ['name'])).toThrow('Unknown field "__proto__".');
  });
});

describe('parseInstant', () => {
  it.each([
    ['2030-01-31T12:00:00Z', '2030-01-31T12:00:00.000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['2030-01-31T12:00+01:30', '2030-01-31T10:30:00.000Z'],
    ['2030-01-31T12:00:00.123456789-05:00', '2030-01-31T17:00:00.123Z'],
  ])('reads %s', (text, instant) => {
    expect(parseInstant(text)?.toISOString()).toBe(instant);
  });

  it.each([undefined, null])('passes %s on to the service', (value) => {
    expect(parseInstant(value)).toBe(value);
  });

  it.each([
    '',
    '2030-01-31',
    '2030-01-31T12:00:00',
    'Thu, 31 Jan 2030 12:00:00 GMT',
    '2030-13-01T00:00:00Z',
    '2030-02-29T00:00:00Z',
    '2030-02-31T00:00:00Z',
    5,
    {},
    true,
  ])('refuses %j', (value) => {
    expect(() => parseInstant(value)).toThrow('expiresAt is an ISO 8601 time with a zone');
  });
});

describe('parseNumber', () => {
  it('reads integers, and returns NaN for everything else', () => {
    const values = ['0', '50', '007', '', ' 5', '-1', '1.5', '1e3', '9'.repeat(10), ['1'], null];

    expect([undefined, ...values].map(parseNumber)).toEqual([
      undefined,
      0,
      50,
      7,
      ...Array.from({ length: 8 }, () => Number.NaN),
    ]);
  });
});
