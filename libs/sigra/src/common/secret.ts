import { hash, randomBytes } from 'node:crypto';
import { encodeBytes } from './base62.js';

const SECRET_BYTES = 32;
/** 62^43 is the first power of 62 above 2^256. */
export const SECRET_LENGTH = 43;

/** Generates 256 random bits, as 43 base62 characters. */
export function generateSecret(): string {
  return encodeBytes(randomBytes(SECRET_BYTES), SECRET_LENGTH);
}

/**
 * Hashes a secret with SHA-256, as lower-case hex. With 256 bits of entropy in the secret, a slow hash would add
 * nothing.
 */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}
