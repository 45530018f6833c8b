import { createHash, createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import { flag, text } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm, JwtKeyOptions } from './sigra-options.js';

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;
const KEYGEN = 'Generate one with: npx sigra jwt:keygen';

/** A key as it signs and verifies. The key fixes the algorithm: no token can choose another. */
export interface JwtKey {
  readonly kid: string;
  readonly algorithm: JwtAlgorithm;
  /** The secret, or the public key. */
  readonly verifyingKey: KeyObject;
  /** Undefined for a key that only verifies. */
  readonly signingKey: KeyObject | undefined;
}

/** The keys by `kid`, and the key that signs. */
export interface JwtKeyRing {
  readonly keys: ReadonlyMap<string, JwtKey>;
  readonly signingKey: JwtKey;
}

/** One of `jwt.keys`, and whether the host makes it sign. */
interface RingEntry {
  readonly key: JwtKey;
  readonly sign: boolean | undefined;
}

export const jwtSecret = option({
  accepts: `string of at least ${MIN_SECRET_BYTES} bytes`,
  default: none,
  check: checkSecret,
});

const jwtKey = section(
  {
    kid: text({ form: '1 to 255 printable ASCII characters', matches: isKid }),
    sign: flag({ default: none }),
    secret: option({
      accepts: `string or Buffer of at least ${MIN_SECRET_BYTES} bytes`,
      default: none,
      check: checkSecret,
    }),
    privateKey: option({ accepts: 'PEM or `KeyObject`', default: none, check: checkKey('private') }),
    publicKey: option({ accepts: 'PEM or `KeyObject`', default: none, check: checkKey('public') }),
  } satisfies SpecsOf<JwtKeyOptions>,
  ({ kid, sign, ...parts }, path): RingEntry => {
    if (sign && parts.publicKey) throw new SigraConfigError(`${path}.sign`, 'is true for a key without a private part');
    return { key: keyOf(path, kid, parts), sign };
  },
);

export const jwtKeys = {
  ...option({
    accepts: 'array of at least one key',
    default: none,
    check: (path, value): readonly RingEntry[] => {
      if (!Array.isArray(value) || value.length === 0) {
        throw new SigraConfigError(path, `must be an array of at least one key. ${KEYGEN}`);
      }
      return value.map((key: unknown, index) => jwtKey.resolve(`${path}[${index}]`, key));
    },
  }),
  items: jwtKey.options,
};

/** The keys of `jwt.keys`, or the lone `jwt.secret`. */
export function keyRing(secret: Buffer | undefined, entries: readonly RingEntry[] | undefined): JwtKeyRing {
  if (!entries) {
    const key = loneKey(secret);
    return { keys: new Map([[key.kid, key]]), signingKey: key };
  }
  if (secret) {
    throw new SigraConfigError('jwt.keys', 'must not be given beside jwt.secret; move the secret into a key');
  }
  const keys = new Map<string, JwtKey>();
  for (const { key } of entries) {
    if (keys.has(key.kid)) {
      throw new SigraConfigError('jwt.keys', `has two keys with the kid "${key.kid}"; give each its own`);
    }
    keys.set(key.kid, key);
  }
  return { keys, signingKey: signerOf(entries) };
}

/** The key with `sign: true`; without one, the only key that can sign. */
function signerOf(entries: readonly RingEntry[]): JwtKey {
  const able = entries.filter(({ key, sign }) => key.signingKey && sign !== false);
  const chosen = able.filter(({ sign }) => sign === true);
  const signers = chosen.length > 0 ? chosen : able;
  const [signer] = signers;
  if (signer && signers.length === 1) return signer.key;
  throw new SigraConfigError(
    'jwt.keys',
    `needs exactly one key that signs, and has ${signers.length}; set sign: true on one that has a private part`,
  );
}

/** Whether a value is a valid `kid`. */
export function isKid(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value);
}

/** The `kid` of a lone secret is derived from it, so that a changed secret is another key. */
function loneKey(secret: Buffer | undefined): JwtKey {
  if (!secret) throw new SigraConfigError('jwt.secret', `is missing; give it, or jwt.keys. ${KEYGEN}`);
  const kid = createHash('sha256').update('sigra kid ').update(secret).digest('base64url').slice(0, 16);
  return hmacKey(kid, secret);
}

interface KeyParts {
  readonly secret: Buffer | undefined;
  readonly privateKey: KeyObject | undefined;
  readonly publicKey: KeyObject | undefined;
}

function keyOf(path: string, kid: string, { secret, privateKey, publicKey }: KeyParts): JwtKey {
  const single = [secret, privateKey, publicKey].filter((part) => part !== undefined).length === 1;
  if (single && secret) return hmacKey(kid, secret);
  if (single && privateKey) return asymmetricKey(path, kid, createPublicKey(privateKey), privateKey);
  if (single && publicKey) return asymmetricKey(path, kid, publicKey, undefined);
  throw new SigraConfigError(path, 'needs exactly one of secret, privateKey and publicKey');
}

function hmacKey(kid: string, secret: Buffer): JwtKey {
  const key = createSecretKey(secret);
  return Object.freeze({ kid, algorithm: 'HS256', verifyingKey: key, signingKey: key });
}

function asymmetricKey(path: string, kid: string, verifyingKey: KeyObject, signingKey: KeyObject | undefined): JwtKey {
  return Object.freeze({ kid, algorithm: algorithmOf(path, verifyingKey), verifyingKey, signingKey });
}

function checkSecret(path: string, secret: unknown): Buffer {
  if (typeof secret !== 'string' && !Buffer.isBuffer(secret)) {
    throw new SigraConfigError(path, `must be a string or a Buffer, not a value of type ${typeof secret}. ${KEYGEN}`);
  }
  const bytes = Buffer.from(secret as string);
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new SigraConfigError(path, `has ${bytes.length} bytes; HS256 needs at least ${MIN_SECRET_BYTES}. ${KEYGEN}`);
  }
  return bytes;
}

function checkKey(type: 'private' | 'public') {
  return (path: string, value: unknown): KeyObject => {
    if (value instanceof KeyObject && value.type === type) return value;
    if (typeof value === 'string' || Buffer.isBuffer(value)) {
      try {
        if (type === 'private') return createPrivateKey(value);
        // Node would read the public part of a private key, and a private key in this place is a mistake.
        if (!value.toString().includes('PRIVATE KEY')) return createPublicKey(value);
      } catch {
        // The error of the parser can quote the key.
      }
    }
    const escaped = typeof value === 'string' && value.includes('\\n');
    const remedy = escaped ? 'Its line breaks are written as \\n; replace them with real ones.' : KEYGEN;
    throw new SigraConfigError(path, `is not a ${type} key in PEM format. ${remedy}`);
  };
}

function algorithmOf(path: string, key: KeyObject): JwtAlgorithm {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength >= MIN_RSA_BITS) return 'RS256';
    throw new SigraConfigError(path, `has an RSA key of ${modulusLength} bits; RS256 needs ${MIN_RSA_BITS}. ${KEYGEN}`);
  }
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  const type = namedCurve ?? key.asymmetricKeyType ?? 'unknown';
  throw new SigraConfigError(path, `has a key of type ${type}; Sigra signs with RSA or P-256 keys. ${KEYGEN}`);
}
