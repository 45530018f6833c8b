import { describe, expect, it } from '@jest/globals';
import { scopeCatalogue, scopeRules } from './scope-catalogue.js';

const problemWith = (scopes: unknown): string => {
  try {
    scopeCatalogue.resolve('apiTokens.scopes', scopes, {});
    return 'valid';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('apiTokens.scopes', () => {
  it('accepts names and objects, and resolves both to the same form', () => {
    const publish = { name: 'publish', title: 'Publish', description: 'Shows it to all', group: 'Notes', danger: true };

    const scopes = scopeCatalogue.resolve(
      '',
      ['read:notes', { ...publish, implies: ['read:notes', 'profile:read'] }],
      {},
    );

    expect(scopes).toEqual([
      { name: 'read:notes', implies: [], danger: false },
      { ...publish, implies: ['read:notes', 'profile:read'] },
    ]);
    expect(Object.isFrozen(scopes)).toBe(true);
  });

  it('accepts a scope that is implied twice, and built-in scopes in words of the application', () => {
    expect(
      problemWith([
        { name: 'a', implies: ['b', 'c'] },
        { name: 'b', implies: ['d'] },
        { name: 'c', implies: ['d'] },
        'd',
        { name: 'api_tokens:write', title: 'Manage keys' },
      ]),
    ).toBe('valid');
  });

  it.each([
    [[{ title: 'Read' }], 'apiTokens.scopes[0].name must be a scope without a wildcard'],
    [['a', { name: 'b:*' }], 'apiTokens.scopes[1].name must be a scope without a wildcard'],
    [[{ name: 'a', label: 'A' }], 'apiTokens.scopes[0].label is not an option'],
    [[{ name: 'a', title: ' ' }], 'apiTokens.scopes[0].title must be a string of 1 to 255 characters'],
    [[{ name: 'a', description: 'x'.repeat(1001) }], 'apiTokens.scopes[0].description must be a string of 1 to 1,000'],
    [[{ name: 'a', danger: 'yes' }], 'apiTokens.scopes[0].danger must be true or false'],
    [[{ name: 'a', implies: ['*'] }], 'apiTokens.scopes[0].implies has the string "*"'],
    [[{ name: 'a', implies: ['b'] }], 'apiTokens.scopes has "a", which implies "b"; add "b" to the scopes as well'],
    [['a', { name: 'a', title: 'A' }], 'apiTokens.scopes has "a" twice; remove one of them'],
    [[{ name: 'a', implies: ['a'] }], 'apiTokens.scopes has a cycle: a implies a; remove one of these implications'],
    [
      ['x', { name: 'a', implies: ['b'] }, { name: 'b', implies: ['x', 'c'] }, { name: 'c', implies: ['a'] }],
      'apiTokens.scopes has a cycle: a implies b implies c implies a; remove one of these implications',
    ],
  ])('refuses %j with the remedy', (scopes, message) => {
    expect(problemWith(scopes)).toContain(`sigra: ${message}`);
  });
});

describe('scopeRules', () => {
  it('makes the rules of the options of the same names', () => {
    const rules = scopeRules({
      scopes: [{ name: 'admin', implies: ['write:notes'] }, 'write:notes'],
      writeImpliesRead: true,
    });

    expect(rules.grants(['admin'], 'read:notes')).toBe(true);
    expect(rules.grants(['admin'], 'read:files')).toBe(false);
  });

  it('refuses what apiTokens refuses', () => {
    expect(() => scopeRules({ scopes: ['*'] })).toThrow('sigra: scopes has the string "*"');
  });
});
