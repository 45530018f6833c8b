import { describe, expect, it } from '@jest/globals';
import { stringifyWithin } from './bounded-json.js';

/** An array in an array and so on. */
function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

describe('stringifyWithin', () => {
  it.each([
    [{ a: [1, { b: 'c' }, null, undefined], d: undefined, e: new Date(0), f: () => 1, g: { h: [[], {}] } }],
    ['text'],
    [[]],
    [undefined],
  ])('writes %j like JSON.stringify', (value) => {
    expect(stringifyWithin(value, 1000)).toBe(JSON.stringify(value));
  });

  it.each([
    ['a string', 'x'.repeat(98)],
    ['an escaped string', '\0'.repeat(16) + 'xx'],
    ['an array', [...Array.from({ length: 48 }, () => 1), 10]],
    ['an object', { ['k'.repeat(94)]: 1 }],
    ['a sparse array', new Array(19).concat([1234])],
  ])('accepts %s of exactly the maximum length, and refuses one character more', (_what, value) => {
    const { length } = JSON.stringify(value);

    expect(stringifyWithin(value, length)).toHaveLength(length);
    expect(() => stringifyWithin(value, length - 1)).toThrow(RangeError);
  });

  it('accepts 32 levels and refuses 33', () => {
    expect(stringifyWithin(nested(32), 1000)).toBe(JSON.stringify(nested(32)));
    expect(() => stringifyWithin(nested(33), 1000)).toThrow(RangeError);
  });

  it('counts levels, not objects: siblings do not add up, and a shared object counts where it stands', () => {
    const shared = { a: [1] };
    const value = { list: Array.from({ length: 100 }, () => [shared, { shared }]) };

    expect(stringifyWithin(value, 10_000)).toBe(JSON.stringify(value));
  });

  it('throws a TypeError for a circular value', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;

    expect(() => stringifyWithin(circular, 1000)).toThrow(TypeError);
  });

  it('stops reading when the length is exceeded', () => {
    let reads = 0;
    const leaf = Object.defineProperty({}, 'value', { enumerable: true, get: () => ++reads });
    let shared: unknown = leaf;
    for (let level = 0; level < 30; level++) shared = [shared, shared];

    expect(() => stringifyWithin(shared, 1000)).toThrow('JSON of more than 1000 characters');
    expect(reads).toBeLessThan(1000);
  });

  it('reads no element of an array that is too long', () => {
    let reads = 0;
    const array = new Proxy(new Array(1_000_000).fill(1), {
      get: (target, name) => {
        if (name !== 'length' && name !== 'toJSON') reads++;
        return Reflect.get(target, name) as unknown;
      },
    });

    expect(() => stringifyWithin({ array }, 65_536)).toThrow(RangeError);
    expect(reads).toBe(0);
  });
});
