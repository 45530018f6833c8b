import { describe, expect, it } from '@jest/globals';
import { requireScopes } from './assert-scopes.js';
import { can } from './can.js';

const LIMITED = { scopes: ['read:notes'], resources: ['note:1', 'folder:*'] };
const code = (expected: string) => expect.objectContaining({ code: expected });
// For values that come from a client, and calls that TypeScript rejects.
const given = (resource: unknown) => resource as string;

describe('A holder that is limited to resources', () => {
  it.each([['note:1'], [['note:1']], ['folder:7'], ['folder:*'], [['note:1', 'folder:7']]])(
    'holds its scopes for %j',
    (resource) => {
      expect(can(LIMITED, ['read:notes'], { resource })).toBe(true);
      expect(() => requireScopes(LIMITED, 'read:notes', { resource: given(resource) })).not.toThrow();
    },
  );

  it.each([
    ['note:2'],
    ['note:*'],
    ['NOTE:1'],
    [['note:1', 'note:2']],
    [[]],
    [undefined],
    [null],
    [''],
    ['*'],
    ['filtered'],
    [['filtered']],
    [{ toString: () => 'note:1' }],
    [['note:1', new Array(1)]],
    [Array.from({ length: 101 }, () => 'note:1')],
  ])('holds no scope for %j', (resource) => {
    expect(can(LIMITED, ['read:notes'], { resource: given(resource) })).toBe(false);
    expect(() => requireScopes(LIMITED, 'read:notes', { resource: given(resource) })).toThrow(
      code('resource_not_allowed'),
    );
  });

  it('holds no scope where nothing is said about a resource', () => {
    expect(can(LIMITED, ['read:notes'])).toBe(false);
    expect(can(LIMITED, ['read:notes'], { match: 'any' })).toBe(false);
    expect(() => requireScopes(LIMITED, 'read:notes')).toThrow(code('resource_not_allowed'));
    expect(() => requireScopes(LIMITED, { any: ['read:notes'] })).toThrow(code('resource_not_allowed'));
  });

  it('holds no other scope for its resources', () => {
    expect(can(LIMITED, ['admin'], { resource: 'note:1' })).toBe(false);
    expect(() => requireScopes(LIMITED, 'admin', { resource: 'note:1' })).toThrow(code('insufficient_scope'));
    expect(() => requireScopes(LIMITED, { any: ['admin', 'read:notes'], resource: 'note:1' })).not.toThrow();
  });

  it('holds nothing without a resource of its own', () => {
    expect(can({ scopes: ['*'], resources: [] }, ['admin'], { resource: 'note:1' })).toBe(false);
  });
});

describe('A holder without a limit', () => {
  it.each([[undefined], [null]])('holds its scopes for all resources, with %j', (resources) => {
    const holder = { scopes: ['read:notes'], resources };

    expect(can(holder, ['read:notes'])).toBe(true);
    expect(can(holder, ['read:notes'], { resource: 'note:2' })).toBe(true);
    expect(() => requireScopes(holder, 'read:notes', { resource: 'note:2' })).not.toThrow();
  });

  it.each([
    ['an unknown option', ['read:notes', { resources: 'note:1' }]],
    ['options alone', [{ resource: 'note:1' }]],
  ])('is not asked with %s', (_what, args) => {
    const untyped = requireScopes as (...all: unknown[]) => void;

    expect(() => untyped({ scopes: ['*'] }, ...args)).toThrow(TypeError);
  });
});
