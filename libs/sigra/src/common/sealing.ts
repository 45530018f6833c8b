import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The purpose of a sealed text. It cannot be opened for another purpose. */
export type SealPurpose = 'refresh-token successor' | 'idempotent answer';

/**
 * Encrypts a raw token with a key that is derived from a secret of its client (AES-256-GCM, HKDF-SHA-256). The database
 * contains neither the token nor the secret, so that the database alone cannot decrypt it.
 */
export function seal(rawToken: string, secret: string, purpose: SealPurpose): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, purpose), iv);
  const sealed = Buffer.concat([cipher.update(rawToken, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Decrypts a sealed raw token. @throws Error when it was sealed with another secret or for another purpose, or was changed */
export function unseal(sealed: Buffer, secret: string, purpose: SealPurpose): string {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, purpose), sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  const opened = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
  return Buffer.concat([opened, decipher.final()]).toString('utf8');
}

function keyOf(secret: string, purpose: SealPurpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `sigra ${purpose}`, 32));
}
