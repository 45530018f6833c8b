import { describe, expect, it } from '@jest/globals';
import { resolveConfig } from '../config/resolve-config.js';
import { ScopeRegistry } from './scope-registry.js';

class User {
  id!: string;
}

const registryOf = (...scopes: string[]) =>
  new ScopeRegistry(resolveConfig({ users: { entity: User }, apiTokens: { scopes } }));

const BUILT_IN = [
  'profile:read',
  'profile:write',
  'sessions:read',
  'sessions:write',
  'api_tokens:read',
  'api_tokens:write',
];

describe('ScopeRegistry', () => {
  it('lists the built-in scopes and then the configured ones, each once', () => {
    expect(registryOf().all).toEqual(BUILT_IN);
    expect(registryOf('admin', 'profile:read', 'admin').all).toEqual([...BUILT_IN, 'admin']);
  });

  it('accepts registered scopes and wildcards, and removes duplicates', () => {
    const registry = registryOf('read:notes', 'read:folders', 'admin');

    expect(registry.parseGrant(['admin', 'read:*', '*', 'admin', 'profile:*'])).toEqual([
      'admin',
      'read:*',
      '*',
      'profile:*',
    ]);
  });

  it('copies the given scopes', () => {
    const given = ['admin'];

    const grant = registryOf('admin').parseGrant(given);
    given.push('*');

    expect(grant).toEqual(['admin']);
  });

  it.each([undefined, null, [], 'admin', {}, 42])('rejects %p with scopes_required', (scopes) => {
    expect(() => registryOf('admin').parseGrant(scopes)).toThrow(expect.objectContaining({ code: 'scopes_required' }));
  });

  it.each([[['admin', 'Admin']], [[undefined]], [[['admin']]], [['__proto__']], [['toString']], [['admin ']]])(
    'rejects %j with invalid_scope_format',
    (scopes) => {
      expect(() => registryOf('admin').parseGrant(scopes)).toThrow(
        expect.objectContaining({ code: 'invalid_scope_format' }),
      );
    },
  );

  it.each(['constructor', 'valueof', 'length', 'size', 'admin:*', 'rea:*', 'read:notes:*', 'notes:*', 'admin:x'])(
    'rejects %s with unregistered_scopes, and names it',
    (scope) => {
      const parse = () => registryOf('admin', 'read:notes').parseGrant(['admin', scope]);

      expect(parse).toThrow(
        expect.objectContaining({ code: 'unregistered_scopes', message: `Not registered: ${scope}.` }),
      );
    },
  );
});
