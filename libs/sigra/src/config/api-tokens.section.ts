import { ScopeRules } from '../common/scope-rules.js';
import { collidesWithJwt, DEFAULT_PREFIX, REFRESH_TOKEN_PREFIX } from '../common/token-format.js';
import { callback, flag, integer, seconds } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option, rejectOption } from './option-spec.js';
import { scopeCatalogue } from './scope-catalogue.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ApiTokenOptions } from './sigra-options.js';

const options = {
  prefix: option({ accepts: '1 to 32 characters of `a-z`, `0-9`, `_`', default: DEFAULT_PREFIX, check: checkPrefix }),
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
  return { ...rest, scopes, rules: ScopeRules.of(scopes, writeImpliesRead) };
});

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
