import {
  DIGEST_BYTES,
  type ForeignDigest,
  type ForeignFormat,
  MAX_FOREIGN_LENGTH,
  storedPrefixOf,
} from '../common/foreign-formats.js';
import { mintRawToken, mintRefreshToken } from '../common/token-format.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { flag, text } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { describeValue, none, option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ForeignFormatOptions } from './sigra-options.js';
import { isKindName } from './token-kinds.section.js';
import { isPrefix } from './token-prefixes.js';

const MAX_FORMATS = 16;
/** Form and length of the shortest JWT. */
const JWT_SAMPLE = `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${'a'.repeat(43)}`;

const definition = section({
  pattern: option({
    accepts: `\`RegExp\` from \`^\` to \`$\`, without flags, for at most ${MAX_FOREIGN_LENGTH} characters`,
    check: checkPattern,
  }),
  digest: option({
    accepts: '`sha256`, `sha512` or `(secret) => Uint8Array`, or a promise of it',
    check: (path, value): ForeignDigest =>
      typeof value === 'function' || (typeof value === 'string' && Object.hasOwn(DIGEST_BYTES, value))
        ? (value as ForeignDigest)
        : rejectOption(path, 'sha256, sha512 or a function of the secret', value),
  }),
  rehash: flag({ default: false }),
  kind: text({ form: 'the name of a kind', matches: isKindName, default: none }),
  scheme: text({
    form: 'a scheme of the header Authorization, such as Token, other than Bearer, DPoP and Basic',
    matches: (value) => /^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(value) && !/^(?:bearer|dpop|basic)$/i.test(value),
    default: none,
  }),
} satisfies SpecsOf<ForeignFormatOptions>);

/** The formats of other systems, by name, as the host gives them. */
export type ConfiguredFormats = ReadonlyMap<string, ReturnType<typeof definition.resolve>>;

export const foreignFormats = {
  ...option({
    accepts: `object of 1 to ${MAX_FORMATS} formats, by name`,
    default: none,
    check: (path, value): ConfiguredFormats => {
      const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
      if (entries.length === 0 || entries.length > MAX_FORMATS) {
        throw new SigraConfigError(
          path,
          `must be an object of 1 to ${MAX_FORMATS} formats; for example { sanctum: { pattern: /^\\d+\\|(?<secret>\\w{48})$/, digest: 'sha256' } }`,
        );
      }
      const wrong = entries.find(([name]) => !isKindName(name));
      if (wrong) {
        throw new SigraConfigError(
          path,
          `has ${describeValue(wrong[0])}; a name is 1 to 32 characters of a-z, 0-9, _ and -, beginning with a letter`,
        );
      }
      return new Map(entries.map(([name, format]) => [name, definition.resolve(`${path}.${name}`, format)]));
    },
  }),
  items: definition.options,
};

/** Names the formats. @throws SigraConfigError when one needs a kind, or has an unknown one */
export function resolveFormats(
  path: string,
  formats: ConfiguredFormats = new Map(),
  kinds: readonly string[],
): readonly ForeignFormat[] {
  return Array.from(formats, ([name, { kind, scheme, pattern, digest, rehash }]) => {
    if (kinds.length === 0 ? kind !== undefined : kind === undefined || !kinds.includes(kind)) {
      const remedy = kinds.length === 0 ? 'leave it out without apiTokens.kinds' : `use one of ${kinds.join(', ')}`;
      throw new SigraConfigError(`${path}.foreignFormats.${name}.kind`, `is not the name of a kind; ${remedy}`);
    }
    if (rehash && typeof digest === 'string') {
      throw new SigraConfigError(
        `${path}.foreignFormats.${name}.rehash`,
        `is for the digest of a function, which can be slow; leave it out for ${digest}`,
      );
    }
    return Object.freeze({ name, pattern, digest, rehash, kind: kind ?? null, scheme: scheme?.toLowerCase() });
  });
}

/**
 * Checks that the formats match nothing else, as far as samples show. Whatever a pattern matches, a string that begins like a JWT,
 * or a valid token of the application, never counts as a token of another system.
 *
 * @throws SigraConfigError
 */
export function assertApart(path: string, formats: readonly ForeignFormat[], kinds: TokenKinds): void {
  const samples = [
    ['tokens of the application', kinds.prefixes.map(mintRawToken)],
    ['refresh tokens', [mintRefreshToken()]],
    ['JWTs', [JWT_SAMPLE]],
  ] as const;
  for (const { name, pattern } of formats) {
    const own = `${path}.foreignFormats.${name}.pattern`;
    const [matched] = samples.find(([, tokens]) => tokens.some((token) => pattern.test(token))) ?? [];
    if (matched !== undefined) throw new SigraConfigError(own, `also matches ${matched}; use a narrower one`);
    const twin = formats.find((other) => other.name !== name && other.pattern.source === pattern.source);
    if (twin) throw new SigraConfigError(own, `is that of ${twin.name}, so their tokens could not be told apart`);
  }
}

/** Whether a value can be the `prefix` of a row: that of a raw token, or that of a format. */
export function isStoredPrefix(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const name = value.slice(0, -1);
  return isPrefix(value) || (isKindName(name) && value === storedPrefixOf({ name }));
}

function checkPattern(path: string, value: unknown): RegExp {
  if (!(value instanceof RegExp)) return rejectOption(path, 'a regular expression', value);
  const { source, flags } = value;
  if (flags !== '') throw new SigraConfigError(path, `must have no flags, not ${flags}`);
  if (!source.startsWith('^') || !/(?<!\\)(?:\\\\)*\$$/.test(source) || hasOuterAlternative(source)) {
    throw new SigraConfigError(
      path,
      'must match the whole token: begin it with ^, end it with $, and put alternatives into (?:…)',
    );
  }
  if (value.test('')) throw new SigraConfigError(path, 'matches the empty string; use a narrower one');
  return new RegExp(source);
}

/** Whether a pattern has alternatives outside of groups, for which the anchors do not hold. */
function hasOuterAlternative(source: string): boolean {
  let depth = 0;
  const plain = source.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]/g, '');
  for (const character of plain) {
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === '|' && depth === 0) return true;
  }
  return false;
}
