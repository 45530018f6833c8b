import { hash } from 'node:crypto';
import { Slots } from './slots.js';
import { looksLikeJwt } from './token-format.js';

/** The algorithms that Sigra computes itself, with their lengths in bytes. */
export const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;
/** The most characters of a raw token of another system. A longer string is not matched at all. */
export const MAX_FOREIGN_LENGTH = 512;
/** So many digests of functions, which can be slow, are computed at a time: half of the threads that Node has by default. */
const DIGESTS_AT_ONCE = 2;
const MOST_WAITING = 64;
/** No space, quote or comma, which separate credentials in headers. */
const VISIBLE = /^[\x21\x23-\x2b\x2d-\x7e]+$/;

/** How another system hashes the secret of its tokens: SHA-256 or SHA-512 of its UTF-8, or a function of it. */
export type ForeignDigest = keyof typeof DIGEST_BYTES | ((secret: string) => Uint8Array | Promise<Uint8Array>);

/** The raw tokens of another system. */
export interface ForeignFormat {
  readonly name: string;
  /** Anchored. Its group `secret` is what the system hashes; without that group, the whole token. */
  readonly pattern: RegExp;
  readonly digest: ForeignDigest;
  /** Whether a token is found by a fast hash from its first use on; see `secretHashOf`. */
  readonly rehash: boolean;
  /** The kind that its tokens belong to; null without kinds. */
  readonly kind: string | null;
  /** The scheme of `Authorization` that its clients use besides Bearer, in lower case. */
  readonly scheme: string | undefined;
}

/** The `prefix` of the rows of a format. No prefix of Sigra's own tokens has a colon. */
export function storedPrefixOf({ name }: Pick<ForeignFormat, 'name'>): string {
  return `${name}:`;
}

/**
 * The `token_hash` of an imported token: the digest of the other system, hashed once more together with the name of its
 * format. No raw token of Sigra's, and none of another format, has the same hash, so a row is found by tokens of its own
 * format only.
 */
export function foreignTokenHash({ name }: Pick<ForeignFormat, 'name'>, digest: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`sigra foreign token\0${name}\0`), digest]), 'hex');
}

/**
 * The `secret_hash` of a token whose digest is slow: SHA-256 of its secret, together with the name of its format. The row keeps
 * its `token_hash`, by which an import, and an application without `rehash`, still find it.
 */
export function secretHashOf({ name }: Pick<ForeignFormat, 'name'>, secret: string): string {
  return hash('sha256', `sigra foreign secret\0${name}\0${secret}`, 'hex');
}

/** The hashes by which the row of a raw token of another system is found, in hex. */
export interface ForeignTokenHashes {
  /** The `secret_hash`, which a row has after the first use; undefined if its format has no `rehash`. */
  readonly secretHash: string | undefined;
  /** Computes the `token_hash`. @throws SigraError `unavailable` when too many digests of functions are waiting */
  readonly tokenHash: () => Promise<string>;
}

/** The raw tokens of other systems that an application accepts. */
export class ForeignFormats {
  private readonly schemes: ReadonlySet<string>;
  private readonly slow = new Slots(DIGESTS_AT_ONCE, MOST_WAITING);

  constructor(readonly all: readonly ForeignFormat[]) {
    this.schemes = new Set(all.flatMap(({ scheme }) => scheme ?? []));
  }

  /** Whether clients of a format use a scheme of `Authorization`. */
  hasScheme(scheme: string): boolean {
    return this.schemes.size > 0 && this.schemes.has(scheme.toLowerCase());
  }

  /** Whether a credential has the form of a format. */
  recognizes(credential: string): boolean {
    return this.match(credential) !== undefined;
  }

  /** The hashes of a raw token; undefined if it has no form of these. */
  hashesOf(rawToken: string): ForeignTokenHashes | undefined {
    const matched = this.match(rawToken);
    if (!matched) return undefined;
    const { format, secret } = matched;
    const digest = () => hashWith(format, secret);
    return {
      secretHash: format.rehash ? secretHashOf(format, secret) : undefined,
      // Anyone can send a string that has the form of a token.
      tokenHash: typeof format.digest === 'function' ? () => this.slow.run(digest) : digest,
    };
  }

  /** The first format that matches. A string that begins like a JWT, or is too long, has none. */
  private match(credential: string): { readonly format: ForeignFormat; readonly secret: string } | undefined {
    if (this.all.length === 0 || credential.length > MAX_FOREIGN_LENGTH || looksLikeJwt(credential)) return undefined;
    if (!VISIBLE.test(credential)) return undefined;
    for (const format of this.all) {
      const found = format.pattern.exec(credential);
      if (found) return { format, secret: found.groups?.secret ?? credential };
    }
    return undefined;
  }
}

async function hashWith(format: ForeignFormat, secret: string): Promise<string> {
  const { digest } = format;
  if (typeof digest === 'string') return foreignTokenHash(format, hash(digest, secret, 'buffer'));
  const made = await digest(secret);
  if (!(made instanceof Uint8Array) || made.length === 0) {
    throw new TypeError(`sigra: apiTokens.foreignFormats.${format.name}.digest did not return bytes`);
  }
  return foreignTokenHash(format, made);
}
