import { isUint8Array } from 'node:util/types';
import { DEFAULT_PREFIX, REFRESH_TOKEN_PREFIX } from './token-format.js';

/** Removes credentials from what is logged. */
export interface Redactor {
  /** Replaces the credentials in a text by `[redacted]`. Takes time in proportion to the length of the text. */
  redactText(text: string): string;
  /**
   * Copies a value without its credentials: objects, arrays, maps, sets and errors, with their causes, cycles included.
   * Properties whose name announces a credential, such as `authorization`, are replaced whole. Buffers and dates are kept. Beyond
   * eight levels, 1,000 values and 100,000 characters of a string, the copy says `[truncated]`. Never throws.
   */
  redact(value: unknown): unknown;
}

const REDACTED = '[redacted]';
const TRUNCATED = '[truncated]';
const UNREADABLE = '[unreadable]';
const MAX_DEPTH = 8;
const MAX_VALUES = 1000;
const MAX_LENGTH = 100_000;
/** A logger or a terminal can cut a token: fewer characters leave too many to guess. */
const MIN_BODY = 32;

/** Names of properties and headers whose value is a credential. */
const SECRET_NAME =
  /^(?:(?:proxy-)?authorization|cookie|set-cookie|x-api-key|dpop|(?:raw|access|refresh|id)_?token|client_?(?:secret|assertion))$/i;

/**
 * Makes a redactor for logs. It finds API tokens, refresh tokens, JWTs (and all other base64url of JSON) and the credentials of
 * `Authorization` headers, also in URLs and percent-encoded. It finds no secrets of other forms in texts, such as passwords.
 *
 * @param prefix the configured `apiTokens.prefix`, or that of a kind. @default 'sigra_sk_'
 * @param others those of other kinds, and of `acceptPrefixes`. @default none
 */
export function createRedactor(prefix = DEFAULT_PREFIX, ...others: readonly string[]): Redactor {
  const patterns = patternsFor([prefix, ...others, REFRESH_TOKEN_PREFIX]);
  const redactText = (text: string) => {
    let redacted = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}${TRUNCATED}` : text;
    for (const pattern of patterns) {
      redacted = redacted.replace(pattern, (...found) => `${(found.at(-1) as Found).before ?? ''}${REDACTED}`);
    }
    return redacted;
  };
  return { redactText, redact: (value) => new Copy(redactText).of(value, 0) };
}

interface Found {
  /** What precedes the credential. */
  readonly before?: string;
}

/** No pattern can begin at many places and fail late, so a hostile text takes no more time than another one. */
function patternsFor(prefixes: readonly string[]): readonly RegExp[] {
  const start = prefixes.map((each) => each.replaceAll('_', '(?:_|%(?:25)?5[Ff])')).join('|');
  const space = String.raw`(?:\s|\+|%(?:25)?20)`;
  return [
    // Without a boundary at the left: `%3D` can precede a token.
    new RegExp(`(?<before>)(?:${start})[0-9A-Za-z]{${MIN_BODY},}`, 'g'),
    /(?<before>)eyJ[\w-]{16,}(?:(?:\.|%(?:25)?2[Ee])[\w-]*)*/g,
    new RegExp(`(?<before>\\b(?:Bearer|DPoP|Basic)${space}{1,8})[\\w.~+/=%-]{16,}`, 'gi'),
    /(?<before>\bauthorization["']?\s{0,8}[:=]\s{0,8}["']?)(?:[\w-]{1,32}\s{1,8})?(?!\[redacted\])[^\s"',\][{}]{1,8192}/gi,
  ];
}

/** Copies one value. */
class Copy {
  private readonly copies = new WeakMap<object, unknown>();
  private values = 0;

  constructor(private readonly redactText: (text: string) => string) {}

  of(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.redactText(value);
    if (typeof value !== 'object' || value === null) return value;
    try {
      return this.ofObject(value, depth);
    } catch {
      // A proxy can throw wherever it is touched.
      return UNREADABLE;
    }
  }

  private ofObject(value: object, depth: number): unknown {
    if (isUint8Array(value) || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value;
    if (value instanceof Date || value instanceof RegExp) return value;
    if (value instanceof URL) return this.redactText(value.href);
    if (this.copies.has(value)) return this.copies.get(value);
    if (depth >= MAX_DEPTH || this.values >= MAX_VALUES) return TRUNCATED;
    const of = (each: unknown) => {
      this.values++;
      return this.values > MAX_VALUES ? TRUNCATED : this.of(each, depth + 1);
    };
    const begin = <T extends object>(copy: T): T => {
      this.copies.set(value, copy);
      return copy;
    };
    if (Array.isArray(value)) {
      const copy = begin<unknown[]>([]);
      for (const each of this.rest(value)) copy.push(of(each));
      return copy;
    }
    if (value instanceof Map) {
      const copy = begin(new Map());
      for (const [key, each] of this.rest(value)) copy.set(of(key), isSecret(key) ? REDACTED : of(each));
      return copy;
    }
    if (value instanceof Set) {
      const copy = begin(new Set());
      for (const each of this.rest(value)) copy.add(of(each));
      return copy;
    }
    if (value instanceof Error) {
      const prototype = Object.getPrototypeOf(value) as object;
      return this.fill(begin(Object.create(prototype) as object), value, of);
    }
    const { toJSON } = value as { readonly toJSON?: unknown };
    // Loggers call it, and it can need private fields.
    if (typeof toJSON === 'function') return of(toJSON.call(value));
    return this.fill(begin({}), value, of);
  }

  /** Defines properties instead of setting them: one can be named `__proto__`, and those of errors are not enumerable. */
  private fill(copy: object, value: object, of: (each: unknown) => unknown): object {
    const names = value instanceof Error ? Object.getOwnPropertyNames(value) : Object.keys(value);
    for (const name of this.rest(names)) {
      const each = isSecret(name) ? REDACTED : of(read(value, name));
      const enumerable = Object.prototype.propertyIsEnumerable.call(value, name);
      const key = this.redactText(name);
      Object.defineProperty(copy, key, { value: each, enumerable, configurable: true, writable: true });
    }
    return copy;
  }

  /** The values that are still copied, and one more, which says that there were others. */
  private *rest<T>(values: Iterable<T>): Generator<T> {
    for (const each of values) {
      yield each;
      if (this.values > MAX_VALUES) return;
    }
  }
}

function isSecret(name: unknown): boolean {
  return typeof name === 'string' && SECRET_NAME.test(name);
}

function read(value: object, name: string): unknown {
  try {
    return (value as Readonly<Record<string, unknown>>)[name];
  } catch {
    return UNREADABLE;
  }
}
