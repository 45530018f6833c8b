import { createPublicKey, KeyObject } from 'node:crypto';
import { isSafeUrl } from '../common/remote-document.js';
import { callback, seconds, text } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { LeakKeyOptions, LeakOptions } from './sigra-options.js';

/** Where GitHub publishes the keys of its secret scanning. */
export const GITHUB_KEYS = 'https://api.github.com/meta/public_keys/secret_scanning';

const leakKey = section({
  id: text({ form: '1 to 255 printable ASCII characters', matches: (id) => /^[\x21-\x7e]{1,255}$/.test(id) }),
  publicKey: option({ accepts: 'PEM or `KeyObject`', check: checkKey }),
} satisfies SpecsOf<LeakKeyOptions>);

const leakKeys = {
  ...option({ accepts: 'array of at least one key', default: none, check: checkKeys }),
  items: leakKey.options,
};

export const leaksSection = section(
  {
    keysUrl: option({ accepts: '`https` URL', default: none, check: checkUrl }),
    keys: leakKeys,
    rotatedWithin: seconds({ min: 0, default: 3600 }),
    onLeaked: callback<LeakOptions['onLeaked']>({
      accepts: '`(credential, report) => void`, or a promise',
      expected: 'a function of the credential and the report',
      default: none,
    }),
  } satisfies SpecsOf<LeakOptions>,
  (options, path) => {
    if (!options.keys || options.keysUrl === undefined) return options;
    throw new SigraConfigError(`${path}.keysUrl`, 'stands beside keys; remove one of them');
  },
);

/** Reads a public P-256 key. @returns undefined for anything else, such as a private key or one of another curve */
export function p256Key(value: unknown): KeyObject | undefined {
  const key = publicKeyOf(value);
  return key?.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined;
}

function publicKeyOf(value: unknown): KeyObject | undefined {
  if (value instanceof KeyObject) return value.type === 'public' ? value : undefined;
  // Node would read the public part of a private key, and a private key in this place is a mistake.
  if (typeof value !== 'string' || value.includes('PRIVATE KEY')) return undefined;
  try {
    return createPublicKey(value);
  } catch {
    return undefined;
  }
}

function checkKey(path: string, value: unknown): KeyObject {
  const key = p256Key(value);
  if (key) return key;
  throw new SigraConfigError(path, 'is not a public P-256 key in PEM format; give the key that the scanner publishes');
}

function checkKeys(path: string, value: unknown): ReadonlyMap<string, KeyObject> {
  if (!Array.isArray(value) || value.length === 0) {
    throw new SigraConfigError(path, 'must be an array of at least one key; leave it out for those of GitHub');
  }
  const keys = new Map<string, KeyObject>();
  for (const [index, given] of value.entries()) {
    const { id, publicKey } = leakKey.resolve(`${path}[${index}]`, given);
    if (keys.has(id)) throw new SigraConfigError(path, `has two keys with the id "${id}"; give each its own`);
    keys.set(id, publicKey);
  }
  return keys;
}

function checkUrl(path: string, value: unknown): string {
  if (isSafeUrl(value, false)) return value;
  throw new SigraConfigError(
    path,
    'must be an https URL without credentials (plain http only with a loopback address)',
  );
}
