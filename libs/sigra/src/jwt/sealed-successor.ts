import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const INFO = 'sigra refresh-token successor';

/**
 * Seals a raw successor under the raw token that it succeeds (AES-256-GCM, key by HKDF-SHA-256). The database holds
 * neither, so that nobody who reads it can open what it holds.
 */
export function sealSuccessor(successor: string, presented: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(presented), iv);
  const sealed = Buffer.concat([cipher.update(successor, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** @throws Error when it was sealed under another token, or changed since */
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
