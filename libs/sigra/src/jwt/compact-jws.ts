import { isUtf8 } from 'node:buffer';
import { hasDuplicateKeys } from './json-duplicates.js';
import { refuse, type SigraError, withoutStack } from '../common/sigra-error.js';

/** The longest JWT that is read, in bytes. */
export const MAX_JWT_LENGTH = 8192;

export type JsonObject = Readonly<Record<string, unknown>>;

/** The code of the refusal of a malformed JWT: an access token, or a proof. */
export type JwsRefusal = 'invalid_token' | 'invalid_dpop_proof';

/** The parts of a signed JWT, still encoded. */
export interface CompactJws {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
  /** The input of the signature (RFC 7515 section 5.1). */
  readonly signed: Buffer;
}

const SEGMENTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Splits a signed JWT in the compact form (RFC 7515 section 7.1).
 *
 * @throws SigraError with `code` when it does not have this form, or is too long
 */
export function splitJws(jwt: string, code: JwsRefusal): CompactJws {
  if (typeof jwt !== 'string' || jwt.length > MAX_JWT_LENGTH || !SEGMENTS.test(jwt)) {
    throw refuse(code, 'The JWT is malformed.');
  }
  const headerEnd = jwt.indexOf('.');
  const payloadEnd = jwt.lastIndexOf('.');
  return {
    header: jwt.slice(0, headerEnd),
    payload: jwt.slice(headerEnd + 1, payloadEnd),
    signature: jwt.slice(payloadEnd + 1),
    signed: Buffer.from(jwt.slice(0, payloadEnd)),
  };
}

/**
 * Decodes the header or the payload.
 *
 * @param part the name of the segment, for the message
 * @throws SigraError with `code` when it is not a JSON object with unique names
 */
export function parseSegment(segment: string, part: string, code: JwsRefusal): JsonObject {
  const bytes = decodeSegment(segment, part, code);
  // RFC 7515 section 2. Decoding replaces invalid UTF-8 with U+FFFD, which would make different strings equal.
  if (!isUtf8(bytes)) throw refuse(code, `The ${part} is not UTF-8.`);
  const text = bytes.toString('utf8');
  try {
    const value = withoutStack(() => JSON.parse(text) as unknown);
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && hasUniqueKeys(value, text)) {
      return value as JsonObject;
    }
  } catch {
    // Rejected below, without the input in the message.
  }
  throw refuse(code, `The ${part} is not a JSON object with unique names.`);
}

/**
 * Decodes base64url without padding, and accepts only its canonical spelling (RFC 7515 section 2).
 *
 * @throws SigraError with `code`
 */
export function decodeSegment(segment: string, part: string, code: JwsRefusal): Buffer {
  const bytes = Buffer.from(segment, 'base64url');
  if (bytes.toString('base64url') !== segment) throw refuse(code, `The ${part} is not canonical base64url.`);
  return bytes;
}

/** Refuses what no JWS of Sigra can have (RFC 7515 section 4.1.11, RFC 7797). */
export function assertNoExtensions(header: JsonObject, invalid: (message: string) => SigraError): void {
  // Extensions that are not supported must be rejected, and none is supported.
  if (Object.hasOwn(header, 'crit')) throw invalid('The header has critical extensions.');
  if (Object.hasOwn(header, 'b64')) throw invalid('The header has b64.');
}

/**
 * Whether JSON has no duplicate keys: a text that `JSON.stringify` reproduces has none, and almost all payloads are
 * such.
 */
function hasUniqueKeys(value: object, text: string): boolean {
  return JSON.stringify(value) === text || !hasDuplicateKeys(text);
}
