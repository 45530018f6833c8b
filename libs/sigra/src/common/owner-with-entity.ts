import type { Owner, PrincipalOwner } from './principal.js';

/** JSON and copies leave out the getter: an application that omits the user from an answer must not send it as the owner. */
export class OwnerWithEntity implements PrincipalOwner {
  readonly type: string;
  readonly id: string;
  readonly #entity: object;

  constructor({ type, id }: Owner, entity: object) {
    this.type = type;
    this.id = id;
    this.#entity = entity;
  }

  get entity(): object {
    return this.#entity;
  }
}
