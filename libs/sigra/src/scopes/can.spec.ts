import { describe, expect, it } from '@jest/globals';
import { ScopeRules } from '../common/scope-rules.js';
import { can, commonScopes, missingScopes } from './can.js';

const WRITE_IMPLIES_READ = ScopeRules.of([], true);

/** Inherited properties, which a lookup in an object would find. */
const INHERITED = ['constructor', '__proto__', 'toString', 'valueOf', 'hasOwnProperty', 'prototype', 'length', '0'];

const holder = (...scopes: string[]) => ({ scopes });

describe('can', () => {
  it('grants only the scopes that are held', () => {
    expect(can(holder('read:notes'), ['read:notes'])).toBe(true);
    expect(can(holder('read:notes'), ['write:notes'])).toBe(false);
    expect(can(holder('read:notes'), ['read:note'])).toBe(false);
    expect(can(holder('read:notes'), ['read:notes:own'])).toBe(false);
    expect(can(holder('read'), ['read:notes'])).toBe(false);
  });

  it('requires all scopes by default, and one with match any', () => {
    const two = holder('a', 'b');

    expect(can(two, ['a', 'b'])).toBe(true);
    expect(can(two, ['a', 'c'])).toBe(false);
    expect(can(two, ['a', 'c'], { match: 'all' })).toBe(false);
    expect(can(two, ['a', 'c'], { match: 'any' })).toBe(true);
    expect(can(two, ['c', 'd'], { match: 'any' })).toBe(false);
  });

  it('grants nothing to a holder without scopes, not even an empty list', () => {
    expect(can(holder(), ['a'])).toBe(false);
    expect(can(holder(), [])).toBe(false);
    expect(can(holder(), [], { match: 'any' })).toBe(false);
  });

  it('grants an empty list to every other holder, except with match any', () => {
    expect(can(holder('a'), [])).toBe(true);
    expect(can(holder('a'), [], { match: 'any' })).toBe(false);
  });

  it('grants every scope to a holder of *', () => {
    expect(can(holder('*'), ['a', 'read:notes', 'x:y:z', '*'])).toBe(true);
  });

  it('grants every scope that begins with the prefix of a wildcard', () => {
    expect(can(holder('notes:*'), ['notes:read', 'notes:own:read', 'notes:*'])).toBe(true);
    expect(can(holder('notes:own:*'), ['notes:own:read'])).toBe(true);
  });

  it.each(['notes', 'notesx:read', 'note:read', 'my:notes:read', '*', ':*', ''])(
    'does not grant %j to notes:*',
    (scope) => {
      expect(can(holder('notes:*'), [scope])).toBe(false);
    },
  );

  it('grants a wildcard only to a holder of a wider one', () => {
    expect(can(holder('notes:read', 'notes:write'), ['notes:*'])).toBe(false);
    expect(can(holder('notes:own:*'), ['notes:*'])).toBe(false);
    expect(can(holder('notes:*'), ['notes:own:*'])).toBe(true);
  });

  it.each(['a*', '*:notes', '**', 'notes*', '?', '.*'])('does not treat %j as a wildcard', (grant) => {
    expect(can(holder(grant), ['notes:read'])).toBe(false);
  });

  it.each(INHERITED)('grants nothing for the inherited property %s', (name) => {
    expect(can(holder('read:notes'), [name])).toBe(false);
    expect(can(holder('read:notes'), [name], { match: 'any', rules: WRITE_IMPLIES_READ })).toBe(false);
    expect(can(holder(name), ['read:notes'])).toBe(false);
  });

  it('ignores scopes on Object.prototype', () => {
    const polluted = Object.prototype as Record<string, unknown>;
    polluted.scopes = ['*'];
    const granted = can({ scopes: [] }, ['a']);
    delete polluted.scopes;

    expect(granted).toBe(false);
  });
});

describe('can with rules by which write implies read', () => {
  const implied = { rules: WRITE_IMPLIES_READ };

  it.each([
    ['write:notes', 'read:notes'],
    ['notes:write', 'notes:read'],
    ['api:write:notes', 'api:read:notes'],
    ['write', 'read'],
    ['write:*', 'read:notes'],
    ['write:*', 'read:*'],
  ])('lets %s grant %s, and not the reverse', (write, read) => {
    expect(can(holder(write), [read], implied)).toBe(true);
    expect(can(holder(write), [read])).toBe(false);
    expect(can(holder(read), [write], implied)).toBe(false);
  });

  it.each(['read:folders', 'readx:notes', 'thread:notes', 'spread', 'read:notes:own', 'read-only:notes'])(
    'does not let write:notes grant %s',
    (scope) => {
      expect(can(holder('write:notes'), [scope], implied)).toBe(false);
    },
  );
});

describe('missingScopes', () => {
  it('returns the scopes that are not covered, in the order of the request', () => {
    expect(missingScopes(['b', 'notes:*'], ['d', 'b', 'notes:read', 'a'], ScopeRules.NONE)).toEqual(['d', 'a']);
    expect(missingScopes(['write:a'], ['read:a', 'read:b'], WRITE_IMPLIES_READ)).toEqual(['read:b']);
    expect(missingScopes([], ['a'], ScopeRules.NONE)).toEqual(['a']);
    expect(missingScopes(['*'], ['a', 'b'], ScopeRules.NONE)).toEqual([]);
  });
});

describe('rules by which scopes imply others', () => {
  const rules = ScopeRules.of(
    [
      { name: 'admin', implies: ['editor'] },
      { name: 'editor', implies: ['write:notes', 'publish'] },
      { name: 'auditor', implies: ['read:audit', 'publish'] },
    ],
    true,
  );

  it.each([
    ['editor', 'publish'],
    ['admin', 'editor'],
    ['admin', 'publish'],
    // Through the scope with `write`.
    ['admin', 'read:notes'],
    ['*', 'publish'],
  ])('let %s grant %s, and not the reverse', (implier, implied) => {
    expect(can(holder(implier), [implied], { rules })).toBe(true);
    expect(can(holder(implier), [implied])).toBe(implier === '*');
    expect(can(holder(implied), [implier], { rules })).toBe(false);
  });

  it.each(['read:audit', 'admin:root', 'notes', 'editor:*', '*'])('do not let admin grant %s', (scope) => {
    expect(can(holder('admin'), [scope], { rules })).toBe(false);
  });

  it.each([
    [['admin'], ['editor'], ['editor']],
    [['admin'], ['read:notes'], ['read:notes']],
    [['editor'], ['admin'], ['editor']],
    [['admin'], ['auditor'], ['publish']],
    [['auditor'], ['write:notes'], []],
    [['*'], ['auditor'], ['auditor']],
  ])('give %j and %j the scopes %j in common', (granted, ceiling, common) => {
    expect(commonScopes(granted, ceiling, rules)).toEqual(common);
  });
});
