import { describe, expect, it } from '@jest/globals';
import { RequireScopes } from './auth.decorators.js';

// Calls that only code without types can make.
const untyped = RequireScopes as (...given: unknown[]) => unknown;

describe('@RequireScopes()', () => {
  it.each([
    ['no arguments', []],
    ['an empty scope', ['']],
    ['a malformed scope', ['Read Notes']],
    ['no alternatives', [{ any: [] }]],
    ['alternatives that are a string', [{ any: 'admin' }]],
    ['an empty object', [{}]],
    ['null', [null]],
    ['an array instead of several arguments', [['read:notes', 'write:notes']]],
    ['alternatives before a scope', [{ any: ['admin'] }, 'read:notes']],
    ['a scope before alternatives', ['read:notes', { any: ['admin'] }]],
  ])('throws while the class is defined for %s', (_what, given) => {
    expect(() => untyped(...given)).toThrow(TypeError);
  });

  it('copies its arguments, so that a later change of the array has no effect', () => {
    const any: [string, ...string[]] = ['read:notes'];
    const target = () => undefined;
    RequireScopes({ any })(target);

    any[0] = 'profile:read';

    expect(Reflect.getMetadata('sigra:requirements', target)).toEqual([{ match: 'any', scopes: ['read:notes'] }]);
  });
});
