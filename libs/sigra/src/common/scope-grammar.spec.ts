import { describe, expect, it } from '@jest/globals';
import { isScope, isWildcard } from './scope-grammar.js';

describe('isScope', () => {
  it.each(['a', 'admin', 'read:projects', 'a:b:c:d', 'api_tokens:read', 'v1.2-beta:x', '9', '*', 'a:*', 'a:b:*'])(
    'accepts %j',
    (scope) => {
      expect(isScope(scope)).toBe(true);
    },
  );

  it.each([
    '',
    ' ',
    'A',
    'read:Projects',
    ':',
    ':a',
    'a:',
    'a::b',
    '_a',
    '-a',
    '.a',
    'a:_b',
    '__proto__',
    '**',
    '*:a',
    'a*',
    'a:*:b',
    'a:**',
    'a b',
    'a\tb',
    'a\n',
    '\na',
    'a"b',
    'a\\b',
    'é',
    'a\0',
  ])('rejects %j', (scope) => {
    expect(isScope(scope)).toBe(false);
  });

  it.each([undefined, null, 42, {}, ['a'], Object('a')])('rejects %p, which is not a string', (scope) => {
    expect(isScope(scope)).toBe(false);
  });

  it('accepts at most 255 characters', () => {
    expect([isScope('a'.repeat(255)), isScope('a'.repeat(256))]).toEqual([true, false]);
  });

  it('takes no exponential time for hostile strings', () => {
    const started = performance.now();

    isScope(`${'a:'.repeat(127)}!`);
    isScope(`${'a'.repeat(100_000)}!`);
    isScope(`${'a.'.repeat(100)}*`);

    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe('isWildcard', () => {
  it('accepts scopes that end in an asterisk', () => {
    expect(['*', 'a:*', 'a', 'a:b'].map(isWildcard)).toEqual([true, true, false, false]);
  });
});
