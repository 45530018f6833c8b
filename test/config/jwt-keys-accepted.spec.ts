import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { SigraModuleOptions } from 'nestjs-sigra';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { User } from '../support/test-app.js';

const SECRET = 'correct horse battery staple, and more';
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const P384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const ED25519 = generateKeyPairSync('ed25519');
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const optionsWith = (jwt: object): SigraModuleOptions => ({
  users: { entity: User },
  jwt: { enabled: true, issuer: 'https://issuer.example', ...jwt },
});

describe('Valid keys', () => {
  it.each([
    ['a secret of 32 bytes', { secret: SECRET.slice(0, 32) }, 'HS256'],
    ['a secret of 16 characters with two bytes each', { secret: 'ü'.repeat(16) }, 'HS256'],
    ['a random secret in base64', { secret: randomBytes(32).toString('base64') }, 'HS256'],
    ['a random secret in base64url', { secret: randomBytes(64).toString('base64url') }, 'HS256'],
    ['a random secret in hex', { secret: randomBytes(32).toString('hex') }, 'HS256'],
    [
      'random bytes that begin as DER does',
      { keys: [{ kid: 'a', secret: Buffer.from(`301e${'5a'.repeat(30)}`, 'hex') }] },
      'HS256',
    ],
    ['a Buffer', { keys: [{ kid: 'a', secret: Buffer.alloc(32, 1) }] }, 'HS256'],
    ['PKCS #8 in PEM format', { keys: [{ kid: 'a', privateKey: pem(RSA.privateKey) }] }, 'RS256'],
    [
      'PKCS #1 in PEM format',
      { keys: [{ kid: 'a', privateKey: RSA.privateKey.export({ type: 'pkcs1', format: 'pem' }) }] },
      'RS256',
    ],
    [
      'SEC 1 in PEM format',
      { keys: [{ kid: 'a', privateKey: EC.privateKey.export({ type: 'sec1', format: 'pem' }) }] },
      'ES256',
    ],
    ['a Buffer in PEM format', { keys: [{ kid: 'a', privateKey: Buffer.from(pem(EC.privateKey)) }] }, 'ES256'],
    ['a KeyObject', { keys: [{ kid: 'a', privateKey: EC.privateKey }] }, 'ES256'],
    ['a P-384 key', { keys: [{ kid: 'a', privateKey: P384.privateKey }] }, 'ES384'],
    ['an Ed25519 key', { keys: [{ kid: 'a', privateKey: pem(ED25519.privateKey) }] }, 'EdDSA'],
    ['an RSA key for RS512', { keys: [{ kid: 'a', privateKey: RSA.privateKey, algorithm: 'RS512' }] }, 'RS512'],
    ['an RSA key for PS256', { keys: [{ kid: 'a', privateKey: RSA.privateKey, algorithm: 'PS256' }] }, 'PS256'],
    ...[
      ['escaped line breaks', pem(EC.privateKey).replaceAll('\n', '\\n')],
      ['escaped line breaks of Windows', pem(EC.privateKey).replaceAll('\n', '\\r\\n')],
      ['quotes and escaped line breaks', `"${pem(EC.privateKey).replaceAll('\n', '\\n')}"`],
      ['base64', Buffer.from(pem(EC.privateKey)).toString('base64')],
      ['base64 with line breaks', `${Buffer.from(pem(EC.privateKey)).toString('base64').replace(/.{76}/g, '$&\n')}\n`],
    ].map(
      ([what, privateKey]) =>
        [`PEM from the environment, with ${what}`, { keys: [{ kid: 'a', privateKey }] }, 'ES256'] as const,
    ),
    ['a key and its algorithm', { keys: [{ kid: 'a', privateKey: EC.privateKey }], algorithm: 'ES256' }, 'ES256'],
  ])('include %s', (_what, jwt, algorithm) => {
    const { jwt: config } = resolveConfig(optionsWith(jwt));

    expect(config?.signingKey.algorithm).toBe(algorithm);
  });

  it('sign with the key that has sign: true, or with the only one that can sign', () => {
    const [rsa, ec] = [
      { kid: 'a', privateKey: RSA.privateKey },
      { kid: 'b', privateKey: EC.privateKey },
    ];
    const signers = [
      [rsa, { ...ec, sign: true }],
      [{ ...rsa, sign: false }, ec],
      [{ kid: 'a', publicKey: RSA.publicKey }, ec],
    ].map((keys) => resolveConfig(optionsWith({ keys })).jwt?.signingKey.kid);

    expect(signers).toEqual(['b', 'b', 'b']);
  });

  it('are copies, so that later changes of the Buffer have no effect', () => {
    const secret = Buffer.from(SECRET);
    const { jwt } = resolveConfig(optionsWith({ keys: [{ kid: 'a', secret }] }));

    secret.fill(0);

    expect(jwt?.signingKey.signingKey?.export().toString()).toBe(SECRET);
  });
});
