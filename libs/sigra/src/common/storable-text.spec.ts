import { describe, expect, it } from '@jest/globals';
import { storableText } from './storable-text.js';

describe('storableText', () => {
  it('cuts what is longer, and drops NUL', () => {
    expect(storableText('a\0b\0', 10)).toBe('ab');
    expect(storableText('abcdef', 3)).toBe('abc');
    expect(storableText('', 3)).toBe('');
  });
});
