import { describe, expect, it } from '@jest/globals';
import { assertMayGrant, requireScopes } from './assert-scopes.js';
import { can, withRules } from './can.js';
import { ScopeRules } from '../common/scope-rules.js';

const RULES = ScopeRules.of([], true);

// For calls that TypeScript rejects.
const untyped = requireScopes as (...given: unknown[]) => void;

describe('requireScopes', () => {
  it('throws insufficient_scope with the required and the missing scopes, without a stack trace', () => {
    const refuse = () => requireScopes({ scopes: ['read:notes'] }, 'read:notes', 'admin', 'write:notes');

    expect(refuse).toThrow(
      expect.objectContaining({
        name: 'SigraError',
        code: 'insufficient_scope',
        refusal: { required: ['read:notes', 'admin', 'write:notes'], missing: ['admin', 'write:notes'] },
        stack: expect.not.stringContaining('\n'),
      }),
    );
  });

  it('throws unauthorized without a principal', () => {
    expect(() => requireScopes(undefined, 'read:notes')).toThrow(expect.objectContaining({ code: 'unauthorized' }));
    expect(() => requireScopes(undefined, { any: ['read:notes'] })).toThrow(
      expect.objectContaining({ code: 'unauthorized' }),
    );
  });

  it.each([
    ['no scope', []],
    ['an empty scope', ['']],
    ['a malformed scope', ['Read Notes']],
    ['no alternatives', [{ any: [] }]],
    ['an array', [['read:notes']]],
    ['a scope beside alternatives', ['read:notes', { any: ['admin'] }]],
  ])('throws a TypeError for %s, even if the principal holds *', (_what, given) => {
    expect(() => untyped({ scopes: ['*'] }, ...given)).toThrow(
      new TypeError('sigra: requireScopes() needs 1 to 256 scopes such as "read:projects"'),
    );
  });

  it('narrows the type of the principal', () => {
    const principal = { scopes: ['read:notes'] } as { scopes: string[] } | undefined;

    requireScopes(principal, 'read:notes');

    expect(principal.scopes).toEqual(['read:notes']);
  });
});

describe('withRules', () => {
  const writer = () => ({ scopes: ['write:notes'] });

  it('marks a principal so that requireScopes and can grant read for write', () => {
    const principal = withRules(writer(), RULES);

    expect(() => requireScopes(principal, 'read:notes')).not.toThrow();
    expect(can(principal, ['read:notes'])).toBe(true);
    expect(can(principal, ['read:notes'], { rules: ScopeRules.NONE })).toBe(false);
  });

  it('returns the principal unchanged when the option is off', () => {
    const principal = writer();

    expect(withRules(principal, ScopeRules.NONE)).toBe(principal);
    expect(Object.getOwnPropertySymbols(principal)).toEqual([]);
    expect(can(principal, ['read:notes'])).toBe(false);
  });

  it('marks a copy, which the application does not share, and keeps a principal that has the right mark', () => {
    const principal = writer();

    const marked = withRules(principal, RULES);
    const unmarked = withRules(marked, ScopeRules.NONE);

    expect(marked).not.toBe(principal);
    expect(can(principal, ['read:notes'])).toBe(false);
    expect(withRules(marked, RULES)).toBe(marked);
    expect(unmarked).not.toBe(marked);
    expect(can(unmarked, ['read:notes'])).toBe(false);
  });

  it('adds nothing that JSON, spread or comparison can see', () => {
    const principal = withRules(writer(), RULES);

    expect(JSON.stringify(principal)).toBe('{"scopes":["write:notes"]}');
    expect(Reflect.ownKeys({ ...principal })).toEqual(['scopes']);
    expect(principal).toStrictEqual(writer());
  });

  it('marks a copy of a frozen principal', () => {
    const principal = Object.freeze(writer());

    const marked = withRules(principal, RULES);

    expect(marked).toStrictEqual(writer());
    expect(can(marked, ['read:notes'])).toBe(true);
    expect(can(principal, ['read:notes'])).toBe(false);
  });
});

describe('assertMayGrant', () => {
  it('lets the application grant every scope, and a principal only its own', () => {
    expect(() => assertMayGrant(undefined, ['admin'], ScopeRules.NONE)).not.toThrow();
    expect(() => assertMayGrant({ scopes: ['read:*'] }, ['read:notes'], ScopeRules.NONE)).not.toThrow();
    expect(() => assertMayGrant({ scopes: ['read:*'] }, ['read:notes', 'admin'], ScopeRules.NONE)).toThrow(
      expect.objectContaining({
        code: 'insufficient_scope',
        refusal: { required: ['read:notes', 'admin'], missing: ['admin'] },
      }),
    );
  });
});
