import { describe, expect, it } from '@jest/globals';
import { RequireScopes } from './require-scopes.decorator.js';

// What only code without types can write.
const untyped = RequireScopes as (...given: unknown[]) => unknown;

describe('@RequireScopes()', () => {
  it.each([
    ['nothing', []],
    ['an empty scope', ['']],
    ['a malformed scope', ['Read Notes']],
    ['no alternatives', [{ any: [] }]],
    ['alternatives that are a text', [{ any: 'admin' }]],
    ['an empty object', [{}]],
    ['null', [null]],
    ['a list in place of several scopes', [['read:notes', 'write:notes']]],
    ['alternatives beside a scope, of which one would be lost', [{ any: ['admin'] }, 'read:notes']],
    ['a scope beside alternatives', ['read:notes', { any: ['admin'] }]],
  ])('fails while the class is defined when it is given %s', (_what, given) => {
    expect(() => untyped(...given)).toThrow(TypeError);
  });

  it('keeps what it was given, whatever becomes of the list', () => {
    const any: [string, ...string[]] = ['read:notes'];
    const target = () => undefined;
    RequireScopes({ any })(target);

    any[0] = 'profile:read';

    expect(Reflect.getMetadata('sigra:scopes', target)).toEqual([{ match: 'any', scopes: ['read:notes'] }]);
  });
});
