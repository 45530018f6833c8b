import { describe, expect, it } from '@jest/globals';
import { isStorable, storablePart } from './storable-text.js';

describe('isStorable', () => {
  it.each(['', 'agent', 'café', '😀'])('accepts %j', (text) => {
    expect(isStorable(text)).toBe(true);
  });

  it.each(['a\0b', '\ud83d', '\ude00 begins with half of a pair'])('rejects %j', (text) => {
    expect(isStorable(text)).toBe(false);
  });
});

describe('storablePart', () => {
  it('cuts a string to the length of its column', () => {
    expect(storablePart('x'.repeat(65), 64)).toBe('x'.repeat(64));
  });

  it('removes NUL, which PostgreSQL rejects', () => {
    expect(storablePart('a\0b\0', 10)).toBe('ab');
  });

  it('removes half of a surrogate pair, even if the cut made it', () => {
    expect(storablePart('ab😀', 3)).toBe('ab');
  });
});
