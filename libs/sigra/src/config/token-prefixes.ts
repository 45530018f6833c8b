import { collidesWithJwt, MAX_PREFIX_LENGTH, REFRESH_TOKEN_PREFIX } from '../common/token-format.js';
import { option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';

const MAX_PREFIXES = 16;
const FORM = new RegExp(`^[a-z0-9_]{1,${MAX_PREFIX_LENGTH}}$`);

/** What a prefix is, for the documentation. */
export const PREFIX = `1 to ${MAX_PREFIX_LENGTH} characters of \`a-z\`, \`0-9\`, \`_\``;

/** The prefixes of earlier tokens. */
export const earlierPrefixes = option({
  accepts: `array of at most ${MAX_PREFIXES} prefixes`,
  default: [],
  check: (path, value): readonly string[] => {
    if (!Array.isArray(value) || value.length > MAX_PREFIXES) {
      return rejectOption(path, `an array of at most ${MAX_PREFIXES} prefixes`, value);
    }
    return Object.freeze([...(value as unknown[])].map((each, index) => checkPrefix(`${path}[${index}]`, each)));
  },
});

/** Whether a value has the form of a prefix. */
export function isPrefix(value: unknown): value is string {
  return typeof value === 'string' && FORM.test(value);
}

/** @throws SigraConfigError */
export function checkPrefix(path: string, value: unknown): string {
  if (!isPrefix(value)) {
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

/** Checks that tokens with these prefixes can be told apart. @throws SigraConfigError */
export function assertDistinct(path: string, prefixes: readonly string[]): void {
  for (const [index, each] of prefixes.entries()) {
    const longer = prefixes.find((other, at) => at !== index && other.startsWith(each));
    if (longer === undefined) continue;
    throw new SigraConfigError(
      path,
      `has "${longer}", which begins with "${each}", so they could not be told apart; remove one`,
    );
  }
}
