import { MAX_TIME } from '../common/clock.js';
import { isObject } from '../common/is-object.js';
import { isOwnerId } from '../common/principal.js';
import { isScopeList } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import { isLongerThan, isStorable } from '../common/storable-text.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { isStoredPrefix } from '../config/foreign-formats.section.js';
import type { ApiTokenFilter, ResolvedTokenFilter } from '../persistence/api-token-filter.js';
import { MAX_NAME_LENGTH } from '../persistence/tables.js';
import type { ScopeRegistry } from '../scopes/scope-registry.js';
import { isHint, MAX_HINT_LENGTH } from './hashed-token.js';

/** What a property of a filter accepts. */
interface Rule {
  /** As the message of a refusal states it. */
  readonly accepts: string;
  readonly matches: (value: unknown, known: KnownNames) => boolean;
}

/** The names that a filter can have. */
export interface KnownNames {
  readonly kinds: TokenKinds;
  /** The types of owners of the module. */
  readonly ownerTypes: readonly string[];
}

const instant: Rule = { accepts: 'a time between the years 1 and 9999', matches: isInstant };

const ownerType: Rule = {
  accepts: 'users.type, or a type of owners',
  matches: (value, { ownerTypes }) => ownerTypes.some((type) => type === value),
};
const ownerId: Rule = { accepts: 'the id of an owner, as a string of 1 to 512 characters', matches: isOwnerId };

/** Properties that match the tokens of everybody. */
const WIDE: readonly string[] = ['state', 'ownerType', 'creatorType'] satisfies readonly (keyof ApiTokenFilter)[];

const RULES: Readonly<Record<keyof ApiTokenFilter, Rule>> = {
  ownerType,
  ownerId,
  creatorType: ownerType,
  creatorId: ownerId,
  hint: {
    accepts: `the whole hint of a token: 1 to ${MAX_HINT_LENGTH} visible ASCII characters`,
    matches: (value) => isHint(value) && value !== '',
  },
  name: { accepts: `a part of a name: 1 to ${MAX_NAME_LENGTH} characters`, matches: isPartOfName },
  prefix: {
    accepts: 'a prefix of tokens: 1 to 32 characters of a-z, 0-9 and _, or the name of a foreign format and a colon',
    matches: isStoredPrefix,
  },
  kind: {
    accepts: 'the name of one of apiTokens.kinds',
    matches: (value, { kinds }) => kinds.names.some((name) => name === value),
  },
  scopes: {
    accepts: 'a list of 1 to 256 scopes such as "read:projects"',
    matches: (value) => isScopeList(value) && value.length > 0,
  },
  unusedSince: instant,
  createdBefore: instant,
  expiresBefore: instant,
  hasExpiry: { accepts: 'true or false', matches: (value) => typeof value === 'boolean' },
  state: { accepts: '"active", "revoked" or "expired"', matches: matching(/^(?:active|revoked|expired)$/) },
};

/** The names of the properties. */
export const FILTER_PROPERTIES = Object.keys(RULES) as readonly (keyof ApiTokenFilter)[];

/**
 * Checks a filter. Unknown properties are refused, not ignored: a caller that mistypes one must not find, or revoke, more tokens.
 *
 * @throws SigraError `invalid_filter`
 */
export function resolveFilter(filter: unknown, registry: ScopeRegistry, known: KnownNames): ResolvedTokenFilter {
  if (!isObject(filter) || Array.isArray(filter)) throw invalid('A filter is an object.');
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  for (const [property, value] of given) {
    if (!Object.hasOwn(RULES, property)) throw invalid(`A filter has only these: ${FILTER_PROPERTIES.join(', ')}.`);
    const { accepts, matches } = RULES[property as keyof ApiTokenFilter];
    if (!matches(value, known)) throw invalid(`${property} is ${accepts}.`);
  }
  const { scopes, ...others } = Object.fromEntries(given) as ApiTokenFilter;
  return { ...others, ...(scopes && { scopes: scopes.map((scope) => registry.grantorsOf(scope)) }) };
}

/**
 * Like `resolveFilter`, for a filter whose tokens are revoked: `state` and types alone would revoke the tokens of everybody.
 *
 * @throws SigraError `invalid_filter`
 */
export function resolveNarrowFilter(filter: unknown, registry: ScopeRegistry, known: KnownNames): ResolvedTokenFilter {
  const resolved = resolveFilter(filter, registry, known);
  if (Object.keys(resolved).some((property) => !WIDE.includes(property))) return resolved;
  throw invalid('The filter is empty: name at least one property besides state, ownerType and creatorType.');
}

/** The error for a filter. */
export function invalid(message: string): SigraError {
  return new SigraError('invalid_filter', message);
}

function matching(pattern: RegExp): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && pattern.test(value);
}

function isPartOfName(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !isLongerThan(value, MAX_NAME_LENGTH) && isStorable(value);
}

function isInstant(value: unknown): boolean {
  return value instanceof Date && Math.abs(value.getTime()) <= MAX_TIME;
}
