import { type AnyPrincipal, DEFAULT_OWNER_TYPE, ownerOfPrincipal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';

/** The types of owners that a handler accepts. */
export type AllowedOwners = readonly string[];

/**
 * Parses the arguments of `@AllowOwners()`.
 *
 * @throws TypeError without a type, or for a type that is not a string
 */
export function toAllowedOwners(types: readonly unknown[]): AllowedOwners {
  const named = types.filter((type): type is string => typeof type === 'string' && type !== '');
  if (named.length > 0 && named.length === types.length) return named;
  throw new TypeError('sigra: @AllowOwners() needs types of owners such as "organization"');
}

/**
 * Checks that a principal is of a type that the handler accepts.
 *
 * @param allowed undefined accepts users only
 * @param usersType the type of a user whose principal the application made itself
 * @throws SigraError `owner_not_allowed`
 */
export function assertOwner(
  principal: AnyPrincipal | undefined,
  allowed: AllowedOwners | undefined,
  usersType = DEFAULT_OWNER_TYPE,
): void {
  if (!principal) return;
  const { type } = ownerOfPrincipal(principal, usersType);
  if (allowed ? allowed.includes(type) : principal.user !== undefined) return;
  const wanted = allowed ? allowed.join(' or ') : usersType;
  const needed = wanted === '' ? 'no owner can make it' : `it needs a credential of an owner of the type ${wanted}`;
  throw refuse('owner_not_allowed', `This request is refused: ${needed}.`);
}
