import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  KeyObject,
  X509Certificate,
} from 'node:crypto';
import { flag, oneOf, text } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm, JwtKeyOptions, JwtSigner } from './sigra-options.js';

/** All algorithms of access tokens. */
export const JWT_ALGORITHMS: readonly JwtAlgorithm[] = ['HS256', 'RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];

const MIN_SECRET_BYTES = 32;
export const MIN_RSA_BITS = 2048;
const KEYGEN = 'Generate one with: npx sigra jwt keygen';

/** A key as it signs and verifies. The key fixes the algorithm: no token can choose another. */
export interface JwtKey {
  readonly kid: string;
  readonly algorithm: JwtAlgorithm;
  /** The secret, or the public key. */
  readonly verifyingKey: KeyObject;
  /** Undefined for a key that only verifies, or that the application signs with. */
  readonly signingKey: KeyObject | undefined;
  /** The application's own signer, for a private key that is elsewhere. */
  readonly signer: JwtSigner | undefined;
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
    sign: option({
      accepts: 'boolean, or `(input) => signature`, beside `publicKey`',
      default: none,
      check: (path, value) => (isSigner(value) ? value : flag({ default: none }).resolve(path, value, {})),
    }),
    algorithm: oneOf<JwtAlgorithm, typeof none>(JWT_ALGORITHMS, { default: none }),
    secret: option({
      accepts: `string or Buffer of at least ${MIN_SECRET_BYTES} bytes`,
      default: none,
      check: checkSecret,
    }),
    privateKey: option({ accepts: 'PEM or `KeyObject`', default: none, check: checkKey('private') }),
    publicKey: option({ accepts: 'PEM or `KeyObject`', default: none, check: checkKey('public') }),
  } satisfies SpecsOf<JwtKeyOptions>,
  ({ kid, sign, algorithm, ...parts }, path): RingEntry => {
    if (isSigner(sign)) {
      if (!parts.publicKey)
        throw new SigraConfigError(`${path}.sign`, 'is a function; give the publicKey that belongs to it');
      return { key: keyOf(path, kid, algorithm, parts, sign), sign: true };
    }
    if (sign && parts.publicKey) throw new SigraConfigError(`${path}.sign`, 'is true for a key without a private part');
    return { key: keyOf(path, kid, algorithm, parts), sign };
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
  const able = entries.filter(({ key, sign }) => (key.signingKey ?? key.signer) && sign !== false);
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

function keyOf(
  path: string,
  kid: string,
  algorithm: JwtAlgorithm | undefined,
  { secret, privateKey, publicKey }: KeyParts,
  signer?: JwtSigner,
): JwtKey {
  const single = [secret, privateKey, publicKey].filter((part) => part !== undefined).length === 1;
  const verifyingKey = publicKey ?? (privateKey && createPublicKey(privateKey));
  if (single && secret) {
    chosen(path, algorithm, ['HS256']);
    return hmacKey(kid, secret);
  }
  if (single && verifyingKey) {
    const fitting = chosen(path, algorithm, algorithmsOf(path, verifyingKey));
    return Object.freeze({ kid, algorithm: fitting, verifyingKey, signingKey: privateKey, signer });
  }
  throw new SigraConfigError(path, 'needs exactly one of secret, privateKey and publicKey');
}

function hmacKey(kid: string, secret: Buffer): JwtKey {
  const key = createSecretKey(secret);
  return Object.freeze({ kid, algorithm: 'HS256', verifyingKey: key, signingKey: key, signer: undefined });
}

/** The algorithm that the application chooses, or the first that the key can be used with. */
function chosen(path: string, algorithm: JwtAlgorithm | undefined, able: readonly [JwtAlgorithm, ...JwtAlgorithm[]]) {
  if (algorithm === undefined) return able[0];
  if (able.includes(algorithm)) return algorithm;
  throw new SigraConfigError(`${path}.algorithm`, `is ${algorithm}, but the key is for ${able.join(', ')}`);
}

function checkSecret(path: string, secret: unknown): Buffer {
  if (typeof secret !== 'string' && !Buffer.isBuffer(secret)) {
    throw new SigraConfigError(path, `must be a string or a Buffer, not a value of type ${typeof secret}. ${KEYGEN}`);
  }
  const bytes = Buffer.from(secret as string);
  if (isKeyOrCertificate(bytes)) {
    // Anyone who has the public key could sign with it.
    throw new SigraConfigError(path, `is an asymmetric key or a certificate; a secret is random. ${KEYGEN}`);
  }
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new SigraConfigError(path, `has ${bytes.length} bytes; HS256 needs at least ${MIN_SECRET_BYTES}. ${KEYGEN}`);
  }
  return bytes;
}

function checkKey(type: 'private' | 'public') {
  return (path: string, value: unknown): KeyObject => {
    if (value instanceof KeyObject && value.type === type) return value;
    if (typeof value === 'string' || Buffer.isBuffer(value)) {
      const text = pemOf(value.toString());
      try {
        if (type === 'private') return createPrivateKey(text);
        // Node would read the public part of a private key, and a private key in this place is a mistake.
        if (!text.includes('PRIVATE KEY')) return createPublicKey(text);
      } catch {
        // The error of the parser can quote the key.
      }
    }
    throw new SigraConfigError(path, `is not a ${type} key in PEM format. ${KEYGEN}`);
  };
}

/** A key in PEM format as environment variables have it: with `\\n` instead of line breaks, in quotes, or as base64. */
function pemOf(text: string): string {
  const unquoted = text.trim().replace(/^(["'])([^]*)\1$/, '$2');
  const pem = /^[A-Za-z0-9+/=\s]+$/.test(unquoted) ? Buffer.from(unquoted, 'base64').toString() : unquoted;
  return pem.replaceAll('\\r', '').replaceAll('\\n', '\n');
}

/**
 * Whether bytes are a key of a pair, or a certificate, in a format that such keys are given away in: PEM, DER, JWK or that
 * of SSH, as it is or encoded, as environment variables have it.
 */
function isKeyOrCertificate(bytes: Buffer): boolean {
  const text = bytes.toString().replace(/\\[rn]/g, '\n');
  // The decoder skips what is between the digits, such as the quotes and the commas of `x5c`, and reads base64url as well.
  const forms = [bytes, Buffer.from(text, 'base64'), Buffer.from(text.trim(), 'hex')];
  return forms.some((form) => isArmored(form.toString('latin1')) || isDer(form));
}

/** The blob of a public key of SSH begins with the length and the name of its type (RFC 4253 section 6.6). */
const SSH_BLOB = /^\0\0\0.(?:sk-)?(?:ssh|ecdsa)-/;

function isArmored(text: string): boolean {
  return (
    /-----? ?BEGIN [A-Z0-9 ]+-----?/.test(text) ||
    /"kty\\?"\s*:/.test(text) ||
    SSH_BLOB.test(text) ||
    text
      .split(/\s/)
      .some((word) => word.startsWith('AAAA') && SSH_BLOB.test(Buffer.from(word, 'base64').toString('latin1')))
  );
}

function isDer(key: Buffer): boolean {
  const parsers = [
    () => createPublicKey({ key, format: 'der', type: 'spki' }),
    () => createPublicKey({ key, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key, format: 'der', type: 'pkcs8' }),
    () => createPrivateKey({ key, format: 'der', type: 'pkcs1' }),
    () => createPrivateKey({ key, format: 'der', type: 'sec1' }),
    () => new X509Certificate(key),
  ];
  return parsers.some((parse) => {
    try {
      parse();
      return true;
    } catch {
      return false;
    }
  });
}

function isSigner(value: unknown): value is JwtSigner {
  return typeof value === 'function';
}

/** The algorithms that a key can be used with; the first one is the default. */
function algorithmsOf(path: string, key: KeyObject): readonly [JwtAlgorithm, ...JwtAlgorithm[]] {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength >= MIN_RSA_BITS) return ['RS256', 'RS512', 'PS256'];
    throw new SigraConfigError(path, `has an RSA key of ${modulusLength} bits; RS256 needs ${MIN_RSA_BITS}. ${KEYGEN}`);
  }
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return ['ES256'];
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'secp384r1') return ['ES384'];
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA'];
  const type = namedCurve ?? key.asymmetricKeyType ?? 'unknown';
  throw new SigraConfigError(
    path,
    `has a key of type ${type}; Sigra signs with RSA, P-256, P-384 or Ed25519 keys. ${KEYGEN}`,
  );
}
