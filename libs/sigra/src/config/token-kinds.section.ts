import { isWildcard } from '../common/scope-grammar.js';
import { DEFAULT_PREFIX } from '../common/token-format.js';
import { type ForeignFormat, storedPrefixOf } from '../common/foreign-formats.js';
import { prefixesOf, type TokenKind, TokenKinds, type TokenRules } from '../common/token-kinds.js';
import { BUILT_IN_SCOPES, BUILT_IN_SCOPES_WITH_JWT } from './built-in-scopes.js';
import { flag, heldScopes, seconds } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { describeValue, none, option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ApiTokenKindOptions } from './sigra-options.js';
import { assertDistinct, checkPrefix, earlierPrefixes, PREFIX } from './token-prefixes.js';

const MAX_KINDS = 16;
const NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const held = heldScopes({ default: [] });

const definition = section({
  prefix: option({ accepts: PREFIX, check: checkPrefix }),
  acceptPrefixes: earlierPrefixes,
  scopes: option({ accepts: held.accepts, default: none, check: checkScopes }),
  requireExpiry: flag({ default: none }),
  maxTtl: seconds({ min: 1, default: none }),
  defaultTtl: seconds({ min: 1, default: none }),
  idleTtl: seconds({ min: 1, default: none }),
  ownerTypes: option({ accepts: 'array of types of owners', default: none, check: checkOwnerTypes }),
} satisfies SpecsOf<ApiTokenKindOptions>);

type ConfiguredKinds = ReadonlyMap<string, ReturnType<typeof definition.resolve>>;

/** The kinds of API tokens, by name. */
export const tokenKinds = {
  ...option({ accepts: `object of 1 to ${MAX_KINDS} kinds, by name`, default: none, check: checkKinds }),
  items: definition.options,
};

/** The options of `apiTokens` that kinds depend on. */
interface Surroundings extends TokenRules {
  readonly kinds: ConfiguredKinds | undefined;
  readonly prefix: string | undefined;
  readonly acceptPrefixes: readonly string[];
  readonly scopes: readonly { readonly name: string }[];
  /** How late the last use of a token can be recorded, in seconds. */
  readonly usePrecision: number;
  /** Those of other systems. */
  readonly formats: readonly ForeignFormat[];
}

/** Resolves the kinds; without any, the only one, which has no name. @throws SigraConfigError */
export function resolveKinds(path: string, options: Surroundings): TokenKinds {
  const { kinds, prefix, acceptPrefixes, requireExpiry, maxTtl, defaultTtl, idleTtl, formats } = options;
  const importedBy = (kind: string | null) => formats.filter((format) => format.kind === kind).map(storedPrefixOf);
  const rules = { requireExpiry, maxTtl, defaultTtl, idleTtl };
  assertLifetimes(path, rules, options);
  if (!kinds) {
    const only = {
      name: null,
      prefix: prefix ?? DEFAULT_PREFIX,
      acceptPrefixes,
      importedPrefixes: importedBy(null),
      scopes: undefined,
      ownerTypes: undefined,
      ...rules,
    };
    assertDistinct(`${path}.acceptPrefixes`, prefixesOf(only));
    return new TokenKinds([only], rules);
  }
  const misplaced = prefix !== undefined ? 'prefix' : acceptPrefixes.length > 0 ? 'acceptPrefixes' : undefined;
  if (misplaced !== undefined) {
    throw new SigraConfigError(
      `${path}.${misplaced}`,
      'cannot stand beside kinds; move its prefixes to acceptPrefixes of the kind that their tokens belong to',
    );
  }
  const all = Array.from(kinds, ([name, kind]): TokenKind => {
    const own = `${path}.kinds.${name}`;
    assertRegistered(`${own}.scopes`, kind.scopes ?? [], options.scopes);
    const resolved = {
      ...kind,
      name,
      importedPrefixes: importedBy(name),
      requireExpiry: kind.requireExpiry ?? requireExpiry,
      maxTtl: kind.maxTtl ?? maxTtl,
      defaultTtl: kind.defaultTtl ?? defaultTtl,
      idleTtl: kind.idleTtl ?? idleTtl,
    };
    assertLifetimes(own, resolved, options);
    return Object.freeze(resolved);
  });
  assertDistinct(`${path}.kinds`, all.flatMap(prefixesOf));
  return new TokenKinds(all, rules);
}

/** Whether a string can name a kind, or a format of another system. */
export function isKindName(name: string): boolean {
  return NAME.test(name);
}

function assertLifetimes(
  path: string,
  { defaultTtl = 0, maxTtl = Infinity, idleTtl = Infinity }: TokenRules,
  { usePrecision }: Surroundings,
): void {
  if (defaultTtl > maxTtl) {
    throw new SigraConfigError(`${path}.defaultTtl`, `is longer than maxTtl, which is ${maxTtl}; use at most as much`);
  }
  if (idleTtl > usePrecision) return;
  throw new SigraConfigError(
    `${path}.idleTtl`,
    `must be longer than ${usePrecision} seconds, because uses are recorded with that precision; use a longer one, or a shorter activityUpdateThreshold`,
  );
}

function checkKinds(path: string, value: unknown): ConfiguredKinds {
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (entries.length === 0 || entries.length > MAX_KINDS) {
    throw new SigraConfigError(
      path,
      `must be an object of 1 to ${MAX_KINDS} kinds; for example { live: { prefix: 'sk_live_' } }`,
    );
  }
  const wrong = entries.find(([name]) => !NAME.test(name));
  if (wrong) {
    throw new SigraConfigError(
      path,
      `has ${describeValue(wrong[0])}; a name is 1 to 32 characters of a-z, 0-9, _ and -, beginning with a letter`,
    );
  }
  return new Map(entries.map(([name, kind]) => [name, definition.resolve(`${path}.${name}`, kind)]));
}

function checkScopes(path: string, value: unknown): readonly string[] {
  const scopes = held.resolve(path, value, {});
  if (scopes.length > 0) return scopes;
  throw new SigraConfigError(path, 'must have a scope; leave it out for no limit');
}

function checkOwnerTypes(path: string, value: unknown): readonly string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.every((type) => typeof type === 'string');
  if (isList) return Object.freeze([...value]);
  return rejectOption(path, 'an array of types of owners', value, "; for example ['user']");
}

/** @throws SigraConfigError for a kind that names a type of owners which does not exist */
export function assertOwnerTypes(path: string, kinds: TokenKinds, known: readonly string[]): void {
  for (const { name, ownerTypes = [] } of kinds.all) {
    const unknown = ownerTypes.find((type) => !known.includes(type));
    if (unknown === undefined) continue;
    throw new SigraConfigError(
      `${path}.kinds.${String(name)}.ownerTypes`,
      `has ${describeValue(unknown)}, which is not a type of owners; use ${known.join(', ')}`,
    );
  }
}

function assertRegistered(path: string, scopes: readonly string[], configured: Surroundings['scopes']): void {
  const registered = [...BUILT_IN_SCOPES, ...BUILT_IN_SCOPES_WITH_JWT, ...configured].map(({ name }) => name);
  const isKnown = (scope: string) =>
    isWildcard(scope) ? registered.some((name) => name.startsWith(scope.slice(0, -1))) : registered.includes(scope);
  const unknown = scopes.find((scope) => !isKnown(scope));
  if (unknown === undefined) return;
  throw new SigraConfigError(path, `has "${unknown}", which is not registered; add it to apiTokens.scopes`);
}
