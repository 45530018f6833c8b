import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ApiTokenOptions } from 'nestjs-sigra';

/** The formats as `docs/import.md` configures them. */
export const FORMATS = {
  sanctum: { pattern: /^\d{1,20}\|(?<secret>[A-Za-z0-9]{40}[0-9a-f]{8})$/, digest: 'sha256' },
  knox: { pattern: /^[0-9a-f]{64}$/, digest: 'sha512', scheme: 'Token' },
  'better-auth': { pattern: /^[A-Za-z]{64}$/, digest: 'sha256' },
  unkey: { pattern: /^acme_[1-9A-HJ-NP-Za-km-z]{20,30}$/, digest: 'sha256' },
  own: { pattern: /^own_[0-9a-f]{48}$/, digest: 'sha256' },
} satisfies ApiTokenOptions['foreignFormats'];

/** The tables as the migrations of Sanctum, knox and better-auth 1.7 create them, for users with UUIDs. */
export const FOREIGN_TABLES = [
  `CREATE TABLE personal_access_tokens (id bigserial PRIMARY KEY, tokenable_type varchar(255) NOT NULL,
     tokenable_id uuid NOT NULL, name text NOT NULL, token varchar(64) NOT NULL UNIQUE, abilities text,
     last_used_at timestamp(0), expires_at timestamp(0), created_at timestamp(0), updated_at timestamp(0))`,
  `CREATE TABLE knox_authtoken (digest varchar(128) PRIMARY KEY, token_key varchar(25) NOT NULL,
     user_id uuid NOT NULL, created timestamptz NOT NULL, expiry timestamptz)`,
  `CREATE TABLE apikey (id text PRIMARY KEY, "configId" text NOT NULL, name text, start text, "referenceId" text NOT NULL,
     prefix text, key text NOT NULL, "refillInterval" integer, "refillAmount" integer, "lastRefillAt" timestamptz,
     enabled boolean, "rateLimitEnabled" boolean, "rateLimitTimeWindow" integer, "rateLimitMax" integer,
     "requestCount" integer, remaining integer, "lastRequest" timestamptz, "expiresAt" timestamptz,
     "createdAt" timestamptz NOT NULL, "updatedAt" timestamptz NOT NULL, permissions text, metadata text)`,
];

/** A raw token of another system, and what that stores of it. */
export interface ForeignSample {
  readonly raw: string;
  readonly hash: string;
  readonly hint: string | null;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** `HasApiTokens::createToken()`: the table has the SHA-256, in hex, of the part behind the id. */
export function sanctumToken(id: number): ForeignSample {
  const entropy = letters(40);
  const plain = entropy + crc32(entropy).toString(16).padStart(8, '0');
  return { raw: `${id}|${plain}`, hash: createHash('sha256').update(plain).digest('hex'), hint: null };
}

/** `knox.crypto.hash_token()` of version 5: SHA-512 of the text, in hex, and `token_key`. */
export function knoxToken(): ForeignSample {
  const raw = randomBytes(32).toString('hex');
  return { raw, hash: createHash('sha512').update(raw).digest('hex'), hint: raw.slice(0, 15) };
}

/** `defaultKeyHasher()`: SHA-256 in base64url without padding, and `start`. */
export function betterAuthKey(): ForeignSample {
  const raw = letters(64);
  return { raw, hash: createHash('sha256').update(raw).digest('base64url'), hint: raw.slice(0, 6) };
}

/** `newKey()`: SHA-256 in base64 of the whole key. */
export function unkeyKey(): ForeignSample {
  const raw = `acme_${letters(22).replaceAll(/[IOl]/g, 'x')}`;
  return { raw, hash: createHash('sha256').update(raw).digest('base64'), hint: raw.slice(0, 9) };
}

/** A table of the application's own: SHA-256 of the whole token, in hex. */
export function ownKey(): ForeignSample {
  const raw = `own_${randomBytes(24).toString('hex')}`;
  return { raw, hash: createHash('sha256').update(raw).digest('hex'), hint: null };
}

function letters(length: number): string {
  return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
}
