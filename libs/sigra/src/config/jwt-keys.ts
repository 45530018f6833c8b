import { createHash, createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import { flag, section } from './option-checks.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm } from './sigra-options.js';

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;
const KEYGEN = 'Generate one with: npx sigra jwt:keygen';

/** A key in the form that signing and verifying use. Its algorithm is its own: no token can choose another. */
export interface JwtKey {
  readonly kid: string;
  readonly algorithm: JwtAlgorithm;
  /** The secret, or the public key. */
  readonly verifyingKey: KeyObject;
  /** Undefined for a key that only verifies. */
  readonly signingKey: KeyObject | undefined;
}

/** Keys by `kid`, and the one that signs. */
export interface JwtKeyRing {
  readonly keys: ReadonlyMap<string, JwtKey>;
  readonly signingKey: JwtKey;
}

/** @throws SigraConfigError that never repeats key material */
export function resolveKeys(secret: unknown, keys: unknown): JwtKeyRing {
  if (keys === undefined) {
    const key = loneSecret(secret);
    return { keys: new Map([[key.kid, key]]), signingKey: key };
  }
  if (secret !== undefined) {
    throw new SigraConfigError('jwt.keys', 'must not be given beside jwt.secret; move the secret into a key');
  }
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new SigraConfigError('jwt.keys', `must be an array of at least one key. ${KEYGEN}`);
  }
  return ringOf(keys.map((key: unknown, index) => resolveKey(`jwt.keys[${index}]`, key)));
}

interface RingEntry {
  readonly key: JwtKey;
  readonly sign: boolean | undefined;
}

function ringOf(entries: readonly RingEntry[]): JwtKeyRing {
  const ring = new Map<string, JwtKey>();
  for (const { key } of entries) {
    if (ring.has(key.kid)) {
      throw new SigraConfigError('jwt.keys', `has two keys with the kid "${key.kid}"; give each its own`);
    }
    ring.set(key.kid, key);
  }
  const able = entries.filter(({ key, sign }) => key.signingKey && sign !== false);
  const chosen = able.filter(({ sign }) => sign === true);
  const signers = chosen.length > 0 ? chosen : able;
  const [signer] = signers;
  if (!signer || signers.length > 1) {
    throw new SigraConfigError(
      'jwt.keys',
      `needs exactly one key that signs, and has ${signers.length}; set sign: true on one that has a private part`,
    );
  }
  return { keys: ring, signingKey: signer.key };
}

function resolveKey(path: string, value: unknown): RingEntry {
  const options = section(path, value, ['kid', 'sign', 'secret', 'privateKey', 'publicKey']);
  const { kid, secret, privateKey, publicKey } = options;
  if (!isKid(kid)) {
    throw new SigraConfigError(`${path}.kid`, 'must be 1 to 255 printable ASCII characters');
  }
  if ([secret, privateKey, publicKey].filter((part) => part !== undefined).length !== 1) {
    throw new SigraConfigError(path, 'needs exactly one of secret, privateKey and publicKey');
  }
  const sign = options.sign === undefined ? undefined : flag(`${path}.sign`, options.sign, true);
  if (sign && publicKey !== undefined) {
    throw new SigraConfigError(`${path}.sign`, 'is true for a key that has no private part');
  }
  const key =
    secret === undefined
      ? asymmetricKey(path, kid, privateKey, publicKey)
      : hmacKey(kid, secretBytes(`${path}.secret`, secret));
  return { key, sign };
}

/** Whether a text can name a key. */
export function isKid(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value);
}

/** A lone secret has no name of its own; one is derived, so that a changed secret is another key. */
function loneSecret(secret: unknown): JwtKey {
  if (secret === undefined) throw new SigraConfigError('jwt.secret', `is missing; give it, or jwt.keys. ${KEYGEN}`);
  const bytes = secretBytes('jwt.secret', secret);
  const kid = createHash('sha256').update('sigra kid ').update(bytes).digest('base64url').slice(0, 16);
  return hmacKey(kid, bytes);
}

function hmacKey(kid: string, bytes: Buffer): JwtKey {
  const key = createSecretKey(bytes);
  return { kid, algorithm: 'HS256', verifyingKey: key, signingKey: key };
}

function secretBytes(path: string, secret: unknown): Buffer {
  if (typeof secret !== 'string' && !Buffer.isBuffer(secret)) {
    throw new SigraConfigError(path, `must be a string or a Buffer, not a value of type ${typeof secret}. ${KEYGEN}`);
  }
  const bytes = Buffer.from(secret as string);
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new SigraConfigError(path, `has ${bytes.length} bytes; HS256 needs at least ${MIN_SECRET_BYTES}. ${KEYGEN}`);
  }
  return bytes;
}

function asymmetricKey(path: string, kid: string, privateKey: unknown, publicKey: unknown): JwtKey {
  const signingKey = privateKey === undefined ? undefined : readKey(`${path}.privateKey`, privateKey, 'private');
  const verifyingKey = signingKey ? createPublicKey(signingKey) : readKey(`${path}.publicKey`, publicKey, 'public');
  return { kid, algorithm: algorithmOf(path, verifyingKey), verifyingKey, signingKey };
}

function readKey(path: string, value: unknown, type: 'private' | 'public'): KeyObject {
  if (value instanceof KeyObject && value.type === type) return value;
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    try {
      if (type === 'private') return createPrivateKey(value);
      // A private key would be taken for its public part: somebody has put it where it does not belong.
      if (!value.toString().includes('PRIVATE KEY')) return createPublicKey(value);
    } catch {
      // The parser's own error may quote what it was given.
    }
  }
  const escaped = typeof value === 'string' && value.includes('\\n');
  const remedy = escaped ? 'Its line breaks are written as \\n; put real ones in their place.' : KEYGEN;
  throw new SigraConfigError(path, `is no ${type} key in PEM form. ${remedy}`);
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
