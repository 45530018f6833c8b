import { generateKeyPairSync, type KeyPairKeyObjectResult, randomBytes } from 'node:crypto';
import { isKid } from '../config/jwt-keys.js';

/**
 * A new key and the options that use it, as text to paste.
 *
 * @throws TypeError for an algorithm that Sigra does not sign with, or a `kid` that no key can have
 */
export function generateJwtKey(algorithm: string, kid: string): string {
  if (!isKid(kid)) throw new TypeError('A kid has 1 to 255 printable ASCII characters.');
  switch (algorithm) {
    case 'HS256':
      return secret(kid);
    case 'RS256':
      return keyPair(kid, generateKeyPairSync('rsa', { modulusLength: 2048 }));
    case 'ES256':
      return keyPair(kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    default:
      throw new TypeError(`Unknown algorithm ${JSON.stringify(algorithm)}.`);
  }
}

function secret(kid: string): string {
  return [
    '# Keep it secret: whoever has it can sign tokens. In the options: jwt.secret, or as one of several keys',
    `# jwt.keys: [{ kid: ${JSON.stringify(kid)}, secret: '…' }]`,
    `JWT_SECRET_KEY=${randomBytes(48).toString('base64url')}`,
  ].join('\n');
}

function keyPair(kid: string, { privateKey, publicKey }: KeyPairKeyObjectResult): string {
  const name = JSON.stringify(kid);
  return [
    `# Signs. Keep it secret. In the options: jwt.keys: [{ kid: ${name}, privateKey: '…' }]`,
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim(),
    `# Verifies what it signed, before it takes over and after it has: { kid: ${name}, publicKey: '…' }`,
    publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
  ].join('\n');
}
