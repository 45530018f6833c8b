import { hash, randomBytes } from 'node:crypto';
import { encodeBytes } from './base62.js';

const SECRET_BYTES = 32;
/** 62^43 is the first power of 62 above 2^256. */
export const SECRET_LENGTH = 43;

/** 256 random bits from the operating system as 43 base62 characters. */
export function generateSecret(): string {
  return encodeBytes(randomBytes(SECRET_BYTES), SECRET_LENGTH);
}

/** SHA-256 of a secret, as lower-case hex. The secret has 256 bits of entropy, so a slow hash would add nothing. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}
