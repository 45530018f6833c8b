import { describe, expect, it } from '@jest/globals';
import type { OwnerPrincipal, Principal } from '../common/principal.js';
import { assertOwner, toAllowedOwners } from './owner-requirement.js';

const USER: Principal = { user: {}, userId: '1', method: 'session', scopes: [] };
const ORGANIZATION: OwnerPrincipal = {
  owner: { type: 'organization', id: '1', entity: {} },
  method: 'api_token',
  scopes: [],
};

describe('assertOwner', () => {
  it('takes a principal without an owner for a user', () => {
    expect(() => assertOwner(USER, undefined)).not.toThrow();
    expect(() => assertOwner(USER, ['user', 'organization'])).not.toThrow();
    expect(() => assertOwner(USER, ['customer'], 'customer')).not.toThrow();
    expect(() => assertOwner(USER, ['user'], 'customer')).toThrow('of the type user');
    expect(() => assertOwner(USER, ['organization'])).toThrow('of the type organization');
  });

  it('accepts other owners only where they are named', () => {
    expect(() => assertOwner(ORGANIZATION, undefined)).toThrow('of the type user');
    expect(() => assertOwner(ORGANIZATION, ['user'])).toThrow('of the type user');
    expect(() => assertOwner(ORGANIZATION, ['organization'])).not.toThrow();
  });
});

describe('toAllowedOwners', () => {
  it.each([[[]], [['']], [['user', 1]]])('refuses %j', (types: unknown[]) => {
    expect(() => toAllowedOwners(types)).toThrow('@AllowOwners() needs types of owners');
  });
});
