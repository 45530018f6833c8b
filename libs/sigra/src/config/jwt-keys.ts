import { createHash, createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto';
import { describe, flag, section } from './option-checks.js';
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
  if ((secret === undefined) === (keys === undefined)) {
    throw new SigraConfigError('jwt', `needs exactly one of secret and keys. ${KEYGEN}`);
  }
  if (secret !== undefined) {
    const key = secretKey('jwt.secret', kidOf(secret), secret);
    return { keys: new Map([[key.kid, key]]), signingKey: key };
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
  const ring = new Map(entries.map(({ key }) => [key.kid, key]));
  if (ring.size < entries.length) throw new SigraConfigError('jwt.keys', 'has two keys with the same kid');
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
  if (typeof kid !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(kid)) {
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
    secret === undefined ? asymmetricKey(path, kid, privateKey, publicKey) : secretKey(`${path}.secret`, kid, secret);
  return { key, sign };
}

function secretKey(path: string, kid: string, secret: unknown): JwtKey {
  if (typeof secret !== 'string' && !Buffer.isBuffer(secret)) {
    throw new SigraConfigError(path, `must be a string or a Buffer, not a value of type ${typeof secret}. ${KEYGEN}`);
  }
  const bytes = Buffer.byteLength(secret);
  if (bytes < MIN_SECRET_BYTES) {
    throw new SigraConfigError(path, `has ${bytes} bytes; HS256 needs at least ${MIN_SECRET_BYTES}. ${KEYGEN}`);
  }
  const key = createSecretKey(Buffer.from(secret as string));
  return { kid, algorithm: 'HS256', verifyingKey: key, signingKey: key };
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
  throw new SigraConfigError(path, `is no ${type} key in PEM form. ${KEYGEN}`);
}

function algorithmOf(path: string, key: KeyObject): JwtAlgorithm {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength >= MIN_RSA_BITS) return 'RS256';
    throw new SigraConfigError(path, `has an RSA key of ${modulusLength} bits; RS256 needs ${MIN_RSA_BITS}`);
  }
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  throw new SigraConfigError(
    path,
    `has a key of type ${describe(namedCurve ?? key.asymmetricKeyType)}; Sigra signs with RSA or P-256 keys`,
  );
}

/** A lone secret has no name of its own; one is derived, so that a changed secret is another key. */
function kidOf(secret: unknown): string {
  return createHash('sha256')
    .update(`sigra kid ${String(secret)}`)
    .digest('base64url')
    .slice(0, 16);
}
