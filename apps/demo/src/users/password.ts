import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** The cost of new hashes, as the base-2 logarithm of scrypt's N: about 32 MiB of memory and 100 ms per guess. */
const COST = 15;

/**
 * Returns `scrypt:<cost>:<salt>:<key>`, with salt and key in base64url. The hash names its cost, so that passwords that
 * were hashed before the cost was raised stay valid.
 *
 * @param cost from 1 to {@link COST}
 */
export async function hashPassword(password: string, cost = COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, cost);
  return ['scrypt', cost, salt.toString('base64url'), key.toString('base64url')].join(':');
}

/**
 * Whether the password matches the hash. Without a valid hash it does the work of a new hash and returns false, so that
 * the response time does not reveal which users exist.
 */
export async function verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, cost, salt, key] = /^scrypt:(\d{1,2}):([\w-]+):([\w-]+)$/.exec(hash ?? '') ?? [];
  const expected = Buffer.from(key ?? '', 'base64url');
  const isValid = Number(cost) >= 1 && Number(cost) <= COST && expected.length === KEY_BYTES;
  const derived = await derive(password, Buffer.from(salt ?? '', 'base64url'), isValid ? Number(cost) : COST);
  return isValid && timingSafeEqual(derived, expected);
}

function derive(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const options = { N: 2 ** cost, r: 8, p: 1, maxmem: 2 ** 26 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
