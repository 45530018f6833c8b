import { FLUSH_INTERVAL_MS } from '../common/background-task.js';
import { ForeignFormats } from '../common/foreign-formats.js';
import { RawTokens } from '../common/raw-tokens.js';
import { ScopeRules } from '../common/scope-rules.js';
import { assertApart, foreignFormats, resolveFormats } from './foreign-formats.section.js';
import { callback, flag, integer, seconds } from './option-kinds.js';
import { optional, section, type SpecsOf } from './option-section.js';
import { none, option, rejectOption } from './option-spec.js';
import { scopeCatalogue } from './scope-catalogue.js';
import type { ApiTokenOptions, TokenNoticeOptions, UsageOptions } from './sigra-options.js';
import { resolveKinds, tokenKinds } from './token-kinds.section.js';
import { checkPrefix, earlierPrefixes, PREFIX } from './token-prefixes.js';

const MAX_THRESHOLDS = 16;
const MAX_DAYS = 3650;

/** Each section is a spec of its own. */
const notices = optional(
  section({
    days: option({ accepts: `array of 1 to ${MAX_THRESHOLDS} days, each 1 to ${MAX_DAYS}`, check: checkDays }),
    notify: callback<TokenNoticeOptions['notify']>({
      accepts: '`(token, { days, user, owner }) => void`, or a promise',
      expected: 'a function of the token',
    }),
  } satisfies SpecsOf<TokenNoticeOptions>),
);

const options = {
  kinds: tokenKinds,
  prefix: option({ accepts: PREFIX, default: none, check: checkPrefix }),
  acceptPrefixes: earlierPrefixes,
  foreignFormats,
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
  onExpiring: notices,
  onUnused: notices,
  maxPageSize: integer({ unit: 'tokens', min: 1, max: 10_000, default: 200 }),
  defaultPageSize: integer({
    unit: 'tokens',
    min: 1,
    max: 'maxPageSize',
    default: ({ maxPageSize }: { maxPageSize: number }) => Math.min(50, maxPageSize),
  }),
} satisfies SpecsOf<ApiTokenOptions>;

export const apiTokensSection = section(
  options,
  (
    {
      kinds: configuredKinds,
      prefix,
      acceptPrefixes,
      foreignFormats,
      scopes,
      writeImpliesRead,
      requireExpiry,
      maxTtl,
      defaultTtl,
      idleTtl,
      ...rest
    },
    path,
  ) => {
    const formats = resolveFormats(path, foreignFormats, [...(configuredKinds?.keys() ?? [])]);
    const kinds = resolveKinds(path, {
      kinds: configuredKinds,
      prefix,
      acceptPrefixes,
      scopes,
      requireExpiry,
      maxTtl,
      defaultTtl,
      idleTtl,
      usePrecision: rest.activityUpdateThreshold + FLUSH_INTERVAL_MS / 1000,
      formats,
    });
    assertApart(path, formats, kinds);
    const foreign = new ForeignFormats(formats);
    return {
      ...rest,
      scopes,
      rules: ScopeRules.of(scopes, writeImpliesRead),
      kinds,
      foreignFormats: foreign,
      rawTokens: new RawTokens(kinds, foreign),
    };
  },
);

function checkDays(path: string, value: unknown): readonly number[] {
  const days = Array.isArray(value) ? [...(value as unknown[])] : [];
  const isDays = (each: unknown): each is number =>
    Number.isInteger(each) && Number(each) >= 1 && Number(each) <= MAX_DAYS;
  const isList = days.length >= 1 && days.length <= MAX_THRESHOLDS && days.every(isDays);
  if (isList && new Set(days).size === days.length) return Object.freeze(days);
  return rejectOption(
    path,
    `an array of 1 to ${MAX_THRESHOLDS} different days from 1 to ${MAX_DAYS}`,
    value,
    '; for example [30, 7, 1]',
  );
}
