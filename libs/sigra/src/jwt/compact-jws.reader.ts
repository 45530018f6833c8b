import { refuse, type SigraError } from '../common/sigra-error.js';
import type { JwtKey } from '../config/jwt-keys.js';
import { assertNoExtensions, decodeSegment, type JsonObject, parseSegment, splitJws } from './compact-jws.js';
import { verifyJws } from './jws.algorithms.js';

/** Headers of RFC 7515 section 4.1 that carry a key. Keys come only from the configuration. */
const KEY_CARRIERS = ['jwk', 'jku', 'x5c', 'x5u', 'x5t', 'x5t#S256'];
/** RFC 9068 section 2.1, with and without the prefix of RFC 7515 section 4.1.9. */
const TYPES: ReadonlySet<unknown> = new Set(['at+jwt', 'application/at+jwt']);

/** The most headers that are remembered. Usually there is one for each key and issuer. */
const MAX_KNOWN_HEADERS = 100;

/** Opens signed JWTs in the compact form (RFC 7515 section 7.1). */
export class CompactJwsReader {
  /** Headers of tokens with a valid signature. Tokens of the same key share their header, so it is parsed once. */
  private readonly knownHeaders = new Map<string, JwtKey>();

  constructor(private readonly keys: ReadonlyMap<string, JwtKey>) {}

  /**
   * Verifies the header and the signature of a token, and returns its payload. `kid` selects the key, and the key determines
   * the algorithm: `alg` is only compared with it (RFC 8725 sections 3.1 and 3.11).
   *
   * @throws SigraError `invalid_token`
   */
  open(jwt: string): JsonObject {
    const { header, payload, signature, signed } = splitJws(jwt, 'invalid_token');
    const known = this.knownHeaders.get(header);
    const key = known ?? chooseKey(parseSegment(header, 'header', 'invalid_token'), this.keys);
    const bytes = decodeSegment(signature, 'signature', 'invalid_token');
    if (!verifyJws(key.algorithm, key.verifyingKey, signed, bytes)) throw invalid('The signature is invalid.');
    if (!known && this.knownHeaders.size < MAX_KNOWN_HEADERS) this.knownHeaders.set(header, key);
    return parseSegment(payload, 'payload', 'invalid_token');
  }
}

/**
 * The claims of a token whose signature has not been verified: only to choose who verifies it.
 *
 * @returns undefined for a token that is too long or malformed
 */
export function unverifiedClaims(jwt: string): JsonObject | undefined {
  try {
    const { header, payload, signature } = splitJws(jwt, 'invalid_token');
    parseSegment(header, 'header', 'invalid_token');
    decodeSegment(signature, 'signature', 'invalid_token');
    return parseSegment(payload, 'payload', 'invalid_token');
  } catch {
    return undefined;
  }
}

function chooseKey(header: JsonObject, keys: ReadonlyMap<string, JwtKey>): JwtKey {
  const { alg, kid, typ } = header;
  if (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase())) throw invalid('typ is not at+jwt.');
  assertNoExtensions(header, invalid);
  if (KEY_CARRIERS.some((name) => Object.hasOwn(header, name))) throw invalid('The header contains a key.');
  const key = typeof kid === 'string' ? keys.get(kid) : undefined;
  if (!key) throw invalid('kid is unknown.');
  if (alg !== key.algorithm) throw invalid('alg does not match the key.');
  return key;
}

function invalid(message: string): SigraError {
  return refuse('invalid_token', message);
}
