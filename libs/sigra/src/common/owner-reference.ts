/** An owner that is not a user, as `ownerRef()` names it. */
export interface OwnerReference {
  readonly [REFERENCE]: Reference;
}

interface Reference {
  readonly type: string;
  readonly owner: object | string | number | bigint;
}

// Global, so that a reference of another copy of the package never counts as a user.
const REFERENCE: unique symbol = Symbol.for('nestjs-sigra:owner-reference') as never;

/**
 * Names an owner that is not a user, for the methods that take the owner of API tokens. Not a plain object, because a user can have
 * properties `type` and `id` as well.
 *
 * @param type a type of the option `owners`
 * @param owner the application's object, or its id
 *
 * @example
 * await tokens.create(ownerRef('organization', organization), { name: 'Deploy', scopes: ['write:projects'] }, caller);
 */
export function ownerRef(type: string, owner: Reference['owner']): OwnerReference {
  return Object.freeze({ [REFERENCE]: Object.freeze({ type, owner }) });
}

/** The reference in a value; undefined for a user. */
export function referenceIn(value: unknown): Reference | undefined {
  return typeof value === 'object' && value !== null ? (value as Partial<OwnerReference>)[REFERENCE] : undefined;
}
