import { FLUSH_INTERVAL_MS } from '../common/background-task.js';
import { ScopeRules } from '../common/scope-rules.js';
import { collidesWithJwt, DEFAULT_PREFIX, REFRESH_TOKEN_PREFIX } from '../common/token-format.js';
import { callback, flag, integer, seconds } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option, rejectOption } from './option-spec.js';
import { scopeCatalogue } from './scope-catalogue.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ApiTokenOptions, UsageOptions } from './sigra-options.js';

const MAX_PREFIXES = 16;

const options = {
  prefix: option({ accepts: '1 to 32 characters of `a-z`, `0-9`, `_`', default: DEFAULT_PREFIX, check: checkPrefix }),
  acceptPrefixes: option({ accepts: 'array of at most 16 prefixes', default: [], check: checkPrefixes }),
  scopes: scopeCatalogue,
  writeImpliesRead: flag({ default: false }),
  parseMetadata: callback<ApiTokenOptions['parseMetadata']>({
    accepts: '`(metadata) => metadata`, or a promise of it',
    expected: 'a function of the metadata',
    default: none,
  }),
  requireExpiry: flag({ default: false }),
  maxTtl: seconds({ min: 1, default: none }),
  defaultTtl: seconds({ min: 1, default: none }),
  enforceOnExisting: flag({ default: false }),
  maxActivePerOwner: integer({ unit: 'tokens', min: 1, max: 100_000, default: 1000 }),
  activityUpdateThreshold: seconds({ min: 0, default: 300 }),
  usage: section({
    enabled: flag({ default: false }),
    retention: seconds({ min: 86_400, default: 7_776_000 }),
  } satisfies SpecsOf<UsageOptions>),
  idleTtl: seconds({ min: 1, default: none }),
  maxPageSize: integer({ unit: 'tokens', min: 1, max: 10_000, default: 200 }),
  defaultPageSize: integer({
    unit: 'tokens',
    min: 1,
    max: 'maxPageSize',
    default: ({ maxPageSize }: { maxPageSize: number }) => Math.min(50, maxPageSize),
  }),
} satisfies SpecsOf<ApiTokenOptions>;

export const apiTokensSection = section(options, ({ scopes, writeImpliesRead, ...rest }, path) => {
  const { defaultTtl, maxTtl = Infinity } = rest;
  if (defaultTtl !== undefined && defaultTtl > maxTtl) {
    throw new SigraConfigError(`${path}.defaultTtl`, `is longer than maxTtl, which is ${maxTtl}; use at most as much`);
  }
  const { idleTtl = Infinity, activityUpdateThreshold } = rest;
  const shortest = activityUpdateThreshold + FLUSH_INTERVAL_MS / 1000;
  if (idleTtl <= shortest) {
    throw new SigraConfigError(
      `${path}.idleTtl`,
      `must be longer than ${shortest} seconds, because uses are recorded with that precision; use a longer one, or a shorter activityUpdateThreshold`,
    );
  }
  return { ...rest, scopes, rules: ScopeRules.of(scopes, writeImpliesRead) };
});

/** The prefix of new tokens, and those that are still accepted. */
export function prefixesOf({
  prefix,
  acceptPrefixes,
}: {
  readonly prefix: string;
  readonly acceptPrefixes: readonly string[];
}): readonly string[] {
  return [prefix, ...acceptPrefixes];
}

function checkPrefixes(path: string, value: unknown, { prefix }: { readonly prefix: string }): readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_PREFIXES) {
    return rejectOption(path, `an array of at most ${MAX_PREFIXES} prefixes`, value);
  }
  const accepted = [...(value as unknown[])].map((each, index) => checkPrefix(`${path}[${index}]`, each));
  const all = [prefix, ...accepted];
  for (const [index, each] of all.entries()) {
    const longer = all.find((other, at) => at !== index && other.startsWith(each));
    if (longer === undefined) continue;
    throw new SigraConfigError(
      path,
      `has "${longer}", which begins with "${each}", so they could not be told apart; remove one`,
    );
  }
  return Object.freeze(accepted);
}

function checkPrefix(path: string, value: unknown): string {
  if (typeof value !== 'string' || !/^[a-z0-9_]{1,32}$/.test(value)) {
    return rejectOption(path, '1 to 32 characters of a-z, 0-9 and _', value, "; for example 'myapp_sk_'");
  }
  if (collidesWithJwt(value)) {
    throw new SigraConfigError(path, "begins like a JWT; choose another, for example 'myapp_sk_'");
  }
  if (value === REFRESH_TOKEN_PREFIX) {
    throw new SigraConfigError(path, "is the prefix of refresh tokens; choose another, for example 'myapp_sk_'");
  }
  return value;
}
