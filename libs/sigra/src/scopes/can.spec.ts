import { describe, expect, it } from '@jest/globals';
import { can, missingScopes } from './can.js';

/** Names that every object inherits, and what a careless lookup would make of them. */
const INHERITED = ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'prototype', 'length', '0'];

const holder = (...scopes: string[]) => ({ scopes });

describe('can', () => {
  it('grants what is held, and nothing else', () => {
    expect(can(holder('read:notes'), ['read:notes'])).toBe(true);
    expect(can(holder('read:notes'), ['write:notes'])).toBe(false);
    expect(can(holder('read:notes'), ['read:note'])).toBe(false);
    expect(can(holder('read:notes'), ['read:notes:own'])).toBe(false);
    expect(can(holder('read'), ['read:notes'])).toBe(false);
  });

  it('wants all scopes unless told that any will do', () => {
    const two = holder('a', 'b');

    expect(can(two, ['a', 'b'])).toBe(true);
    expect(can(two, ['a', 'c'])).toBe(false);
    expect(can(two, ['a', 'c'], { match: 'all' })).toBe(false);
    expect(can(two, ['a', 'c'], { match: 'any' })).toBe(true);
    expect(can(two, ['c', 'd'], { match: 'any' })).toBe(false);
  });

  it('grants nothing to who holds nothing, not even nothing', () => {
    expect(can(holder(), ['a'])).toBe(false);
    expect(can(holder(), [])).toBe(false);
    expect(can(holder(), [], { match: 'any' })).toBe(false);
  });

  it('lets everybody else do what asks for nothing, but never any of nothing', () => {
    expect(can(holder('a'), [])).toBe(true);
    expect(can(holder('a'), [], { match: 'any' })).toBe(false);
  });

  it('grants everything to *', () => {
    expect(can(holder('*'), ['a', 'read:notes', 'x:y:z', '*'])).toBe(true);
  });

  it('grants to a wildcard what begins with its stem', () => {
    expect(can(holder('notes:*'), ['notes:read', 'notes:own:read', 'notes:*'])).toBe(true);
    expect(can(holder('notes:own:*'), ['notes:own:read'])).toBe(true);
  });

  it.each(['notes', 'notesx:read', 'note:read', 'my:notes:read', '*', ':*', ''])('grants %j to no notes:*', (scope) => {
    expect(can(holder('notes:*'), [scope])).toBe(false);
  });

  it('grants a wildcard only to a wider one', () => {
    expect(can(holder('notes:read', 'notes:write'), ['notes:*'])).toBe(false);
    expect(can(holder('notes:own:*'), ['notes:*'])).toBe(false);
    expect(can(holder('notes:*'), ['notes:own:*'])).toBe(true);
  });

  it.each(['a*', '*:notes', '**', 'notes*', '?', '.*'])('takes %j for no wildcard', (grant) => {
    expect(can(holder(grant), ['notes:read'])).toBe(false);
  });

  it.each(INHERITED)('knows no scope by the name of %s', (name) => {
    expect(can(holder('read:notes'), [name])).toBe(false);
    expect(can(holder('read:notes'), [name], { match: 'any', writeImpliesRead: true })).toBe(false);
    expect(can(holder(name), ['read:notes'])).toBe(false);
  });

  it('lets nobody add scopes to all objects', () => {
    const polluted = Object.prototype as Record<string, unknown>;
    polluted.scopes = ['*'];
    const granted = can({ scopes: [] }, ['a']);
    delete polluted.scopes;

    expect(granted).toBe(false);
  });
});

describe('can with writeImpliesRead', () => {
  const implied = { writeImpliesRead: true };

  it.each([
    ['write:notes', 'read:notes'],
    ['notes:write', 'notes:read'],
    ['api:write:notes', 'api:read:notes'],
    ['write', 'read'],
    ['write:*', 'read:notes'],
    ['write:*', 'read:*'],
  ])('grants by %s also %s, and not the other way round', (write, read) => {
    expect(can(holder(write), [read], implied)).toBe(true);
    expect(can(holder(write), [read])).toBe(false);
    expect(can(holder(read), [write], implied)).toBe(false);
  });

  it.each(['read:folders', 'readx:notes', 'thread:notes', 'spread', 'read:notes:own', 'read-only:notes'])(
    'grants by write:notes no %s',
    (scope) => {
      expect(can(holder('write:notes'), [scope], implied)).toBe(false);
    },
  );
});

describe('missingScopes', () => {
  it('is what is not covered, in the order in which it was asked for', () => {
    expect(missingScopes(['b', 'notes:*'], ['d', 'b', 'notes:read', 'a'], false)).toEqual(['d', 'a']);
    expect(missingScopes(['write:a'], ['read:a', 'read:b'], true)).toEqual(['read:b']);
    expect(missingScopes([], ['a'], false)).toEqual(['a']);
    expect(missingScopes(['*'], ['a', 'b'], false)).toEqual([]);
  });
});
