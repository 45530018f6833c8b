import { createPublicKey, hash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { MIN_RSA_BITS } from '../config/jwt-keys.js';
import type { DpopAlgorithm } from '../config/sigra-options.js';
import { refuse, type SigraError } from '../common/sigra-error.js';

/** The key of a client, from the header of a proof. */
export interface DpopKey {
  readonly key: KeyObject;
  /** RFC 7638, with SHA-256. */
  readonly thumbprint: string;
}

/** The members of a public key: those that a thumbprint is of, in its order (RFC 7638 section 3.2, RFC 8037 section 2). */
const MEMBERS = { EC: ['crv', 'kty', 'x', 'y'], OKP: ['crv', 'kty', 'x'], RSA: ['e', 'kty', 'n'] } as const;

interface KeyForm {
  readonly kty: keyof typeof MEMBERS;
  readonly crv?: string;
}

const RSA: KeyForm = { kty: 'RSA' };
const ED25519: KeyForm = { kty: 'OKP', crv: 'Ed25519' };
const FORMS: Readonly<Record<DpopAlgorithm, KeyForm>> = {
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  EdDSA: ED25519,
  Ed25519: ED25519,
  PS256: RSA,
  RS256: RSA,
  RS512: RSA,
};

/** RFC 7518 sections 6.2.2, 6.3.2 and 6.4. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** A client chooses its key, and the server pays for the verification. */
const MAX_RSA_BITS = 4096;
/** In characters of base64url: the usual exponent 65537 has four. */
const MAX_EXPONENT_LENGTH = 6;

/**
 * Reads the public key of a proof (RFC 9449 section 4.3). Only the members of the key itself count.
 *
 * @throws SigraError `invalid_dpop_proof` for a private or symmetric key, and for one that does not fit the algorithm
 */
export function dpopKeyOf(jwk: unknown, algorithm: DpopAlgorithm): DpopKey {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) throw invalid('jwk is missing or not an object.');
  const given = jwk as Readonly<Record<string, unknown>>;
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(given, name))) throw invalid('jwk contains a private key.');
  const { kty, crv } = FORMS[algorithm];
  if (given.kty !== kty || (crv !== undefined && given.crv !== crv)) throw invalid('jwk does not fit alg.');
  if (kty === 'RSA' && !(typeof given.e === 'string' && given.e.length <= MAX_EXPONENT_LENGTH)) {
    throw invalid('jwk has an exponent that is too large.');
  }
  const key = publicKeyOf(Object.fromEntries(MEMBERS[kty].map((name) => [name, given[name]])));
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined && !(modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS)) {
    throw invalid(`jwk has ${modulusLength} bits; a key has ${MIN_RSA_BITS} to ${MAX_RSA_BITS}.`);
  }
  return { key, thumbprint: thumbprintOf(key, kty) };
}

function publicKeyOf(jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw invalid('jwk is not a public key.');
  }
}

/** Of the exported key: a number can be spelled in several ways, and a key has one thumbprint. */
function thumbprintOf(key: KeyObject, kty: keyof typeof MEMBERS): string {
  const jwk = key.export({ format: 'jwk' });
  const canonical = JSON.stringify(Object.fromEntries(MEMBERS[kty].map((name) => [name, jwk[name]])));
  return hash('sha256', canonical, 'base64url');
}

function invalid(message: string): SigraError {
  return refuse('invalid_dpop_proof', message);
}
