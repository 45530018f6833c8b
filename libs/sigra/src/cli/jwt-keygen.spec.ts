import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { resolveKeys } from '../config/jwt-keys.js';
import { generateJwtKey } from './jwt-keygen.js';

describe('generateJwtKey', () => {
  it('makes a secret of 384 random bits for HS256, another one each time', () => {
    const secrets = [generateJwtKey('HS256', 'k'), generateJwtKey('HS256', 'k')].map(
      (text) => /^JWT_SECRET_KEY=([\w-]{64})$/m.exec(text)?.[1],
    );

    expect(secrets[0]).toBeDefined();
    expect(secrets[0]).not.toBe(secrets[1]);
    expect(resolveKeys(secrets[0], undefined).signingKey.algorithm).toBe('HS256');
  });

  it.each(['RS256', 'ES256'])('makes a key pair for %s whose parts belong together', (algorithm) => {
    const text = generateJwtKey(algorithm, 'k');

    const [privatePem = '', publicPem = ''] = text.match(/-----BEGIN[^]+?-----END [A-Z ]+-----/g) ?? [];
    const { signingKey } = resolveKeys(undefined, [{ kid: 'k', privateKey: privatePem }]);

    expect(signingKey.algorithm).toBe(algorithm);
    expect(createPublicKey(publicPem).equals(createPublicKey(createPrivateKey(privatePem)))).toBe(true);
  });

  it.each(['RS256', 'ES256'])(
    'can be saved as a whole and used as the private key of %s, never as the public one',
    (algorithm) => {
      const text = generateJwtKey(algorithm, 'k');

      expect(resolveKeys(undefined, [{ kid: 'k', privateKey: text }]).signingKey.algorithm).toBe(algorithm);
      expect(() => resolveKeys(undefined, [{ kid: 'k', publicKey: text }])).toThrow('is no public key in PEM form');
    },
  );

  it('names the key as it was told to', () => {
    const texts = ['HS256', 'RS256', 'ES256'].map((algorithm) => generateJwtKey(algorithm, 'it"s'));

    for (const text of texts) expect(text).toContain('kid: "it\\"s"');
  });

  it.each(['none', 'hs256', 'RS512', 'EdDSA', ''])('refuses the algorithm %j', (algorithm) => {
    expect(() => generateJwtKey(algorithm, 'k')).toThrow(TypeError);
  });

  it.each(['', ' ', 'two words', 'ключ', 'a\n', 'x'.repeat(256)])(
    'refuses the kid %j, which no key can have',
    (kid) => {
      expect(() => generateJwtKey('ES256', kid)).toThrow('A kid has 1 to 255 printable ASCII characters.');
    },
  );
});
