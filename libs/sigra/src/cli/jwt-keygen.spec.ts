import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { jwtKeys, jwtSecret, keyRing } from '../config/jwt-keys.js';
import { generateJwtKey } from './jwt-keygen.js';

const ringOf = (key: object) => keyRing(undefined, jwtKeys.resolve('jwt.keys', [key], {}));

describe('generateJwtKey', () => {
  it('generates a secret of 384 random bits for HS256, different each time', () => {
    const secrets = [generateJwtKey('HS256', 'k'), generateJwtKey('HS256', 'k')].map(
      (text) => /^JWT_SECRET_KEY=([\w-]{64})$/m.exec(text)?.[1],
    );

    expect(secrets[0]).toBeDefined();
    expect(secrets[0]).not.toBe(secrets[1]);
    expect(keyRing(jwtSecret.resolve('jwt.secret', secrets[0], {}), undefined).signingKey.algorithm).toBe('HS256');
  });

  it.each(['RS256', 'ES256', 'ES384', 'EdDSA'])('generates a matching key pair for %s', (algorithm) => {
    const text = generateJwtKey(algorithm, 'k');

    const [privatePem = '', publicPem = ''] = text.match(/-----BEGIN[^]+?-----END [A-Z ]+-----/g) ?? [];
    const { signingKey } = ringOf({ kid: 'k', privateKey: privatePem });

    expect(signingKey.algorithm).toBe(algorithm);
    expect(createPublicKey(publicPem).equals(createPublicKey(createPrivateKey(privatePem)))).toBe(true);
  });

  it.each(['RS256', 'ES256'])(
    'makes output that works as the private key of %s, and is rejected as the public key',
    (algorithm) => {
      const text = generateJwtKey(algorithm, 'k');

      expect(ringOf({ kid: 'k', privateKey: text }).signingKey.algorithm).toBe(algorithm);
      expect(() => ringOf({ kid: 'k', publicKey: text })).toThrow('is not a public key in PEM format');
    },
  );

  it.each(['RS512', 'PS256'])('generates an RSA key for %s, with the option that selects it', (algorithm) => {
    const text = generateJwtKey(algorithm, 'k');

    expect(text).toContain(`{ kid: "k", algorithm: '${algorithm}', privateKey: '…' }`);
    expect(ringOf({ kid: 'k', algorithm, privateKey: text }).signingKey.algorithm).toBe(algorithm);
  });

  it('uses the given kid', () => {
    const texts = ['HS256', 'RS256', 'ES256'].map((algorithm) => generateJwtKey(algorithm, 'it"s'));

    for (const text of texts) expect(text).toContain('kid: "it\\"s"');
  });

  it.each(['none', 'hs256', 'HS512', 'ES512', ''])('rejects the algorithm %j', (algorithm) => {
    expect(() => generateJwtKey(algorithm, 'k')).toThrow(TypeError);
  });

  it.each(['', ' ', 'two words', 'ключ', 'a\n', 'x'.repeat(256)])('rejects the invalid kid %j', (kid) => {
    expect(() => generateJwtKey('ES256', kid)).toThrow('A kid has 1 to 255 printable ASCII characters.');
  });
});
