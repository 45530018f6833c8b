import { describe, expect, it } from '@jest/globals';
import { AllowOwners } from './auth.decorators.js';
import { rulesOf } from './route-rules.js';

@AllowOwners('organization', 'robot')
class Base {
  plain() {
    return 'plain';
  }

  @AllowOwners('user', 'organization')
  own() {
    return 'own';
  }
}

@AllowOwners('organization')
class Narrower extends Base {}

class Overriding extends Narrower {
  override own() {
    return 'overridden';
  }
}

class Plain {
  users() {
    return 'users';
  }

  @AllowOwners('robot')
  robots() {
    return 'robots';
  }
}

const prototypes = { Base: Base.prototype, Plain: Plain.prototype } as const;
const ownersOf = (controller: typeof Base | typeof Plain, handler: () => unknown) =>
  rulesOf(controller, handler).owners;

describe('the types of owners of a route', () => {
  it('are those of the handler, else those of the class', () => {
    expect(ownersOf(Base, prototypes.Base.own)).toEqual(['user', 'organization']);
    expect(ownersOf(Base, prototypes.Base.plain)).toEqual(['organization', 'robot']);
    expect(ownersOf(Plain, prototypes.Plain.users)).toBeUndefined();
  });

  it('are narrowed by the decorator of a subclass', () => {
    expect(ownersOf(Narrower, prototypes.Base.own)).toEqual(['organization']);
    expect(ownersOf(Narrower, prototypes.Base.plain)).toEqual(['organization']);
    expect(ownersOf(Overriding, Overriding.prototype.own)).toEqual(['organization']);
  });

  it('are those that all methods allow, for a function that could stand for any of them', () => {
    expect(ownersOf(Base, () => undefined)).toEqual(['organization']);
    expect(ownersOf(Plain, () => undefined)).toEqual([]);
    expect(ownersOf(class Without extends Plain {}, prototypes.Plain.robots)).toEqual(['robot']);
  });
});
