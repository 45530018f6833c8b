import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** About 32 MiB of memory and 100 ms per guess. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };

/** Returns `scrypt:<salt>:<key>`, with both in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt);
  return ['scrypt', salt.toString('base64url'), key.toString('base64url')].join(':');
}

/**
 * Whether the password matches the hash. Without a hash it does the same work and returns false, so that the response
 * time does not reveal which users exist.
 */
export async function verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, salt, key] = (hash ?? '').split(':').map((part) => Buffer.from(part, 'base64url'));
  const derived = await derive(password, salt ?? Buffer.alloc(SALT_BYTES));
  return key?.length === KEY_BYTES && timingSafeEqual(derived, key);
}

function derive(password: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, COST, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
