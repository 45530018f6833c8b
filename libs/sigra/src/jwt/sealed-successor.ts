import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const INFO = 'sigra refresh-token successor';

/**
 * Encrypts a raw successor with a key from the raw token that it succeeds (AES-256-GCM, HKDF-SHA-256). The database contains
 * neither raw token, so the database alone cannot decrypt it.
 */
export function sealSuccessor(successor: string, presented: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(presented), iv);
  const sealed = Buffer.concat([cipher.update(successor, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Decrypts a sealed successor. @throws Error when it was sealed with another token, or was changed */
export function openSuccessor(sealed: Buffer, presented: string): string {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(presented), sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  const opened = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
  return Buffer.concat([opened, decipher.final()]).toString('utf8');
}

function keyOf(presented: string): Buffer {
  return Buffer.from(hkdfSync('sha256', presented, '', INFO, 32));
}
