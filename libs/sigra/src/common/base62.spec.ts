import { describe, expect, it } from '@jest/globals';
import { encodeBytes, encodeUint32, isBase62 } from './base62.js';

describe('encodeBytes', () => {
  it.each([
    [[0], '0'],
    [[61], 'z'],
    [[62], '10'],
    [[255], '47'],
    [[1, 0], '48'],
  ])('encodes %p as %s, with digits in ASCII order', (bytes, text) => {
    expect(encodeBytes(Uint8Array.from(bytes), 1)).toBe(text);
  });

  it('pads with zeros on the left', () => {
    expect(encodeBytes(Uint8Array.of(0, 61), 5)).toBe('0000z');
  });

  it('preserves the order of numbers', () => {
    const texts = [0, 1, 61, 62, 100, 255, 256, 65_535].map((value) =>
      encodeBytes(Uint8Array.of(value >> 8, value & 255), 3),
    );

    expect(texts.toSorted()).toEqual(texts);
  });

  it('needs no more than 43 characters for 256 bits', () => {
    expect(encodeBytes(new Uint8Array(32).fill(255), 0)).toBe('yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1');
  });
});

describe('encodeUint32', () => {
  it.each([
    [0, '000000'],
    [61, '00000z'],
    [62, '000010'],
    [4_294_967_295, '4gfFC3'],
  ])('encodes %i as %s', (value, text) => {
    expect(encodeUint32(value)).toBe(text);
  });
});

describe('isBase62', () => {
  it('accepts digits and letters from the given index on', () => {
    expect(isBase62('_-_09AZaz', 3)).toBe(true);
    expect(isBase62('abc', 3)).toBe(true);
  });

  it.each(['/', ':', '@', '[', '`', '{', '_', '-', ' ', '\0', 'é', '０', '\u{1f511}'])(
    'rejects %j in any position',
    (character) => {
      expect(isBase62(`${character}aa`, 0)).toBe(false);
      expect(isBase62(`aa${character}`, 0)).toBe(false);
    },
  );
});
