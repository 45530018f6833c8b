import { generateKeyPairSync, type KeyPairKeyObjectResult, randomBytes } from 'node:crypto';
import { isKid } from '../config/jwt-keys.js';

/**
 * Generates a key, with the options that use it, as text to paste.
 *
 * @param algorithm a `JwtAlgorithm`
 * @param kid the key's name: 1 to 255 printable ASCII characters
 * @throws TypeError for any other algorithm or `kid`
 */
export function generateJwtKey(algorithm: string, kid: string): string {
  if (!isKid(kid)) throw new TypeError('A kid has 1 to 255 printable ASCII characters.');
  switch (algorithm) {
    case 'HS256':
      return secret(kid);
    case 'RS256':
    case 'RS512':
    case 'PS256':
      return keyPair(
        kid,
        generateKeyPairSync('rsa', { modulusLength: 2048 }),
        algorithm === 'RS256' ? undefined : algorithm,
      );
    case 'ES256':
      return keyPair(kid, generateKeyPairSync('ec', { namedCurve: 'P-256' }));
    case 'ES384':
      return keyPair(kid, generateKeyPairSync('ec', { namedCurve: 'P-384' }));
    case 'EdDSA':
      return keyPair(kid, generateKeyPairSync('ed25519'));
    default:
      throw new TypeError(`Unknown algorithm ${JSON.stringify(algorithm)}.`);
  }
}

function secret(kid: string): string {
  return [
    '# Keep it secret: anyone who holds it can sign tokens. In the options: jwt.secret, or as one of several keys',
    `# jwt.keys: [{ kid: ${JSON.stringify(kid)}, secret: '…' }]`,
    `JWT_SECRET_KEY=${randomBytes(48).toString('base64url')}`,
  ].join('\n');
}

/** @param algorithm if it is not the default of the key */
function keyPair(kid: string, { privateKey, publicKey }: KeyPairKeyObjectResult, algorithm?: string): string {
  const name = JSON.stringify(kid) + (algorithm === undefined ? '' : `, algorithm: '${algorithm}'`);
  return [
    `# Private key: signs. Keep it secret. In the options: jwt.keys: [{ kid: ${name}, privateKey: '…' }]`,
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim(),
    `# Public key: verifies, also while another key signs. In the options: { kid: ${name}, publicKey: '…' }`,
    publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
  ].join('\n');
}
