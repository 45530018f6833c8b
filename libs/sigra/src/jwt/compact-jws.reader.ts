import { isUtf8 } from 'node:buffer';
import { hasDuplicateKeys } from '../common/json-duplicates.js';
import { refuse, type SigraError, withoutStack } from '../common/sigra-error.js';
import type { JwtKey } from '../config/jwt-keys.js';
import { verifyJws } from './jws.algorithms.js';

/** The longest JWT that is read, in bytes. */
export const MAX_JWT_LENGTH = 8192;

type JsonObject = Readonly<Record<string, unknown>>;

const SEGMENTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
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
    if (typeof jwt !== 'string' || jwt.length > MAX_JWT_LENGTH || !SEGMENTS.test(jwt)) {
      throw invalid('The JWT is malformed.');
    }
    const payloadStart = jwt.indexOf('.') + 1;
    const signatureStart = jwt.lastIndexOf('.') + 1;
    const header = jwt.slice(0, payloadStart - 1);
    const known = this.knownHeaders.get(header);
    const key = known ?? chooseKey(parseSegment(header, 'header'), this.keys);
    const signature = decode(jwt.slice(signatureStart), 'signature');
    const signed = Buffer.from(jwt.slice(0, signatureStart - 1));
    if (!verifyJws(key.algorithm, key.verifyingKey, signed, signature)) throw invalid('The signature is invalid.');
    if (!known && this.knownHeaders.size < MAX_KNOWN_HEADERS) this.knownHeaders.set(header, key);
    return parseSegment(jwt.slice(payloadStart, signatureStart - 1), 'payload');
  }
}

/**
 * The claims of a token whose signature has not been verified: only to choose who verifies it.
 *
 * @returns undefined for a token that is too long or malformed
 */
export function unverifiedClaims(jwt: string): JsonObject | undefined {
  if (jwt.length > MAX_JWT_LENGTH || !SEGMENTS.test(jwt)) return undefined;
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  try {
    parseSegment(header, 'header');
    decode(signature, 'signature');
    return parseSegment(payload, 'payload');
  } catch {
    return undefined;
  }
}

function chooseKey(header: JsonObject, keys: ReadonlyMap<string, JwtKey>): JwtKey {
  const { alg, kid, typ } = header;
  if (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase())) throw invalid('typ is not at+jwt.');
  // RFC 7515 section 4.1.11: extensions that are not supported must be rejected, and none is supported.
  if (Object.hasOwn(header, 'crit')) throw invalid('The header has critical extensions.');
  if (Object.hasOwn(header, 'b64')) throw invalid('The header has b64.');
  if (KEY_CARRIERS.some((name) => Object.hasOwn(header, name))) throw invalid('The header contains a key.');
  const key = typeof kid === 'string' ? keys.get(kid) : undefined;
  if (!key) throw invalid('kid is unknown.');
  if (alg !== key.algorithm) throw invalid('alg does not match the key.');
  return key;
}

function parseSegment(segment: string, part: string): JsonObject {
  const bytes = decode(segment, part);
  // RFC 7515 section 2. Decoding replaces invalid UTF-8 with U+FFFD, which would make different strings equal.
  if (!isUtf8(bytes)) throw invalid(`The ${part} is not UTF-8.`);
  const text = bytes.toString('utf8');
  try {
    const value = withoutStack(() => JSON.parse(text) as unknown);
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && hasUniqueKeys(value, text)) {
      return value as JsonObject;
    }
  } catch {
    // Rejected below, without the input in the message.
  }
  throw invalid(`The ${part} is not a JSON object with unique names.`);
}

/**
 * Whether JSON has no duplicate keys: a text that `JSON.stringify` reproduces has none, and almost all payloads are
 * such.
 */
function hasUniqueKeys(value: object, text: string): boolean {
  return JSON.stringify(value) === text || !hasDuplicateKeys(text);
}

/** Decodes base64url without padding, and accepts only its canonical spelling (RFC 7515 section 2). */
function decode(segment: string, part: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url');
  if (bytes.toString('base64url') !== segment) throw invalid(`The ${part} is not canonical base64url.`);
  return bytes;
}

function invalid(message: string): SigraError {
  return refuse('invalid_token', message);
}
