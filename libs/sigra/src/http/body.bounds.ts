import { brotliDecompressSync, gunzipSync, inflateSync, type InputType, type ZlibOptions } from 'node:zlib';
import { MAX_JSON_DEPTH } from '../common/bounded-json.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { MAX_FIELDS } from './request-body.js';

/**
 * The longest body of a ready-made route, in bytes, also when it is decompressed. A token with the longest metadata, description,
 * scopes and resources has about 45 KB when its client escapes all characters.
 */
export const MAX_BODY_LENGTH = 65_536;

/** The most values of a JSON body: the longest metadata have about 2,800, and all lists together 406. */
const MAX_VALUES = 4096;

type Decode = (bytes: InputType, options: ZlibOptions) => Buffer;

/** Codings that parsers decode. */
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
]);

const QUOTE = 0x22;
const AMPERSAND = 0x26;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** The headers of a body. */
export interface BodyHeaders {
  readonly 'content-type'?: string | undefined;
  readonly 'content-encoding'?: string | undefined;
}

/**
 * Counts what a body costs before it is parsed: at most 65,536 bytes after decompression, and 100 fields of a form, or 4,096 values and
 * 32 levels of JSON. A character set other than UTF-8 can hide values, but needs several bytes for each character.
 *
 * @throws SigraError `body_too_large`, `unsupported_encoding`, `invalid_request`
 */
export function assertBounded(bytes: Buffer, headers: BodyHeaders): void {
  if (bytes.length > MAX_BODY_LENGTH) throw bodyTooLarge(MAX_BODY_LENGTH);
  const content = decoded(bytes, headers['content-encoding']?.trim().toLowerCase() ?? '');
  const isForm = headers['content-type']?.trimStart().toLowerCase().startsWith('application/x-www-form-urlencoded');
  if (isForm) assertForm(content);
  else assertJson(content);
}

/** The refusal of a body of more than `max` bytes. */
export function bodyTooLarge(max: number): SigraError {
  return refuse('body_too_large', `The body has more than ${max} bytes.`);
}

function decoded(bytes: Buffer, coding: string): Buffer {
  if (coding === '' || coding === 'identity') return bytes;
  const decode = DECODERS.get(coding);
  if (!decode) throw refuse('unsupported_encoding', 'The encoding of the body is not gzip, deflate or br.');
  try {
    return decode(bytes, { maxOutputLength: MAX_BODY_LENGTH });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw bodyTooLarge(MAX_BODY_LENGTH);
    // The parser refuses what cannot be decoded. A hook before this one can have decoded it already.
    return bytes;
  }
}

/** Empty fields do not count: parsers skip them. */
function assertForm(bytes: Buffer): void {
  let fields = 0;
  let last = AMPERSAND;
  for (const byte of bytes) {
    if (last === AMPERSAND && byte !== AMPERSAND && ++fields > MAX_FIELDS) {
      throw refuse('invalid_request', `The body has more than ${MAX_FIELDS} parameters.`);
    }
    last = byte;
  }
}

function assertJson(bytes: Buffer): void {
  let depth = 0;
  let values = 0;
  let isText = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === QUOTE) isText = !isText;
    else if (isText) index += byte === BACKSLASH ? 1 : 0;
    else if (OPENING.has(byte)) {
      values++;
      depth++;
    } else if (byte === COMMA) values++;
    else if (CLOSING.has(byte)) depth--;
    if (depth > MAX_JSON_DEPTH) throw refuse('invalid_request', `The body has more than ${MAX_JSON_DEPTH} levels.`);
    if (values > MAX_VALUES) throw refuse('invalid_request', `The body has more than ${MAX_VALUES} values.`);
  }
}
