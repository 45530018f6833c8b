import { constants, createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';
import type { JwtAlgorithm } from '../config/sigra-options.js';

/** How `node:crypto` computes an asymmetric signature (RFC 7518 section 3, RFC 8037 section 3.1). */
interface SignatureScheme {
  /** Undefined where the algorithm hashes by itself. */
  readonly hash: string | undefined;
  readonly padding?: number;
  readonly saltLength?: number;
  /** The signature is two integers of this length, in bytes, where DER would be the default. */
  readonly integerLength?: number;
}

const SCHEMES: Readonly<Record<Exclude<JwtAlgorithm, 'HS256'>, SignatureScheme>> = {
  RS256: { hash: 'sha256', padding: constants.RSA_PKCS1_PADDING },
  RS512: { hash: 'sha512', padding: constants.RSA_PKCS1_PADDING },
  PS256: { hash: 'sha256', padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
  ES256: { hash: 'sha256', integerLength: 32 },
  ES384: { hash: 'sha384', integerLength: 48 },
  EdDSA: { hash: undefined },
};

const withKey = (key: KeyObject, { padding, saltLength }: SignatureScheme) => ({
  key,
  dsaEncoding: 'ieee-p1363' as const,
  ...(padding !== undefined && { padding }),
  ...(saltLength !== undefined && { saltLength }),
});

/** Signs with a secret or a private key. */
export function signJws(algorithm: JwtAlgorithm, key: KeyObject, input: Buffer): Buffer {
  if (algorithm === 'HS256') return createHmac('sha256', key).update(input).digest();
  const scheme = SCHEMES[algorithm];
  return sign(scheme.hash, input, withKey(key, scheme));
}

/** Whether a signature is that of the key. */
export function verifyJws(algorithm: JwtAlgorithm, key: KeyObject, input: Buffer, signature: Buffer): boolean {
  if (algorithm === 'HS256') {
    const expected = createHmac('sha256', key).update(input).digest();
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
  const scheme = SCHEMES[algorithm];
  return verify(scheme.hash, input, withKey(key, scheme), signature);
}

/**
 * The signature as JWS has it (RFC 7518 section 3.4). Key management services return signatures of elliptic curves in DER.
 *
 * @returns the signature itself if it does not have the form of DER
 */
export function jwsSignatureOf(algorithm: JwtAlgorithm, signature: Buffer): Buffer {
  const length = algorithm === 'HS256' ? undefined : SCHEMES[algorithm].integerLength;
  if (length === undefined || signature.length === 2 * length || signature[0] !== 0x30) return signature;
  // Both curves have sequences of less than 128 bytes, so every length is one byte.
  const integers: Buffer[] = [];
  for (let at = 2; at < signature.length && signature[at] === 0x02;) {
    const end = at + 2 + (signature[at + 1] ?? 0);
    const integer = signature.subarray(at + 2, end);
    const significant = integer.subarray(Math.max(integer.length - length, 0));
    integers.push(Buffer.concat([Buffer.alloc(length - significant.length), significant]));
    at = end;
  }
  return integers.length === 2 ? Buffer.concat(integers) : signature;
}
