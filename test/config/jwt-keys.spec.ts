import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { SigraModuleOptions } from 'nestjs-sigra';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { SigraConfigError } from '../../libs/sigra/src/config/sigra-config-error.js';
import { startTestApp, User } from '../support/test-app.js';

const KEYGEN = 'Generate one with: npx sigra jwt keygen';
const SECRET = 'correct horse battery staple, and more';

const pem = (key: KeyObject, passphrase?: string) => {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: type, format: 'pem', ...encryption }).toString();
};

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const SHORT_RSA = generateKeyPairSync('rsa', { modulusLength: 1024 });
const PSS = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SECP256K1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
const ED25519 = generateKeyPairSync('ed25519');

const der = (key: KeyObject, type: 'spki' | 'pkcs1' | 'pkcs8' | 'sec1' = 'spki') =>
  key.export({ type: type as 'spki', format: 'der' });

/** A certificate for a P-256 key, signed with itself. Its end does not matter. */
const CERTIFICATE = Buffer.from(
  'MIIBiTCCAS+gAwIBAgIUfXAtgBkhTAuKuJWISuO3JB5MmhswCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOaXNzdWVyLmV4YW1wbGUw' +
    'IBcNMjYxMTI2MjAxMTM0WhgPMjEyNjExMDIyMDExMzRaMBkxFzAVBgNVBAMMDmlzc3Vlci5leGFtcGxlMFkwEwYHKoZIzj0CAQYI' +
    'KoZIzj0DAQcDQgAEz2xT9RYvbo9XkrLU5jrx+ULUobRUWe5BTkudhwjMJB7+q1t2wuUOFShQECDbZdkrrOyohFGoLoQf2BoGeKIv' +
    'KKNTMFEwHQYDVR0OBBYEFDAkLVjE4EY0cM6l1z2X77bscluKMB8GA1UdIwQYMBaAFDAkLVjE4EY0cM6l1z2X77bscluKMA8GA1Ud' +
    'EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgRb5DNI2id5Em8jMS4TqOZMAipaMhpKsLEXrHOYnT6aACIQDDH7UzIHVFkV9P' +
    'ovkb18dADL2RToGCJCba2x2lpDvvLA==',
  'base64',
);

/** The blob of a public key in the format of SSH, in base64. */
const SSH_BLOB = Buffer.concat(
  ['ssh-ed25519', ED25519.publicKey.export({ format: 'jwk' }).x ?? ''].map((part, index) => {
    const bytes = Buffer.from(part, index === 0 ? 'utf8' : 'base64url');
    return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
  }),
).toString('base64');

const optionsWith = (jwt: object): SigraModuleOptions => ({
  users: { entity: User },
  jwt: { enabled: true, issuer: 'https://issuer.example', ...jwt },
});

function errorOf(options: SigraModuleOptions): unknown {
  try {
    return resolveConfig(options);
  } catch (error) {
    return error;
  }
}

interface WrongKey {
  readonly what: string;
  readonly jwt: object;
  readonly option: string;
  readonly problem: string;
}

const WRONG: readonly WrongKey[] = [
  {
    what: 'no key',
    jwt: { secret: undefined },
    option: 'jwt.secret',
    problem: `is missing; give it, or jwt.keys. ${KEYGEN}`,
  },
  {
    what: 'a secret of 31 bytes',
    jwt: { secret: SECRET.slice(0, 31) },
    option: 'jwt.secret',
    problem: `has 31 bytes; HS256 needs at least 32. ${KEYGEN}`,
  },
  {
    what: 'an empty secret',
    jwt: { secret: '' },
    option: 'jwt.secret',
    problem: `has 0 bytes; HS256 needs at least 32. ${KEYGEN}`,
  },
  {
    what: 'a number as secret',
    jwt: { secret: 1234567890 },
    option: 'jwt.secret',
    problem: `must be a string or a Buffer, not a value of type number. ${KEYGEN}`,
  },
  {
    what: 'an array as secret',
    jwt: { secret: [SECRET] },
    option: 'jwt.secret',
    problem: `must be a string or a Buffer, not a value of type object. ${KEYGEN}`,
  },
  {
    what: 'a secret together with keys',
    jwt: { secret: SECRET, keys: [{ kid: 'a', secret: SECRET }] },
    option: 'jwt.keys',
    problem: 'must not be given beside jwt.secret; move the secret into a key',
  },
  {
    what: 'an empty array of keys',
    jwt: { keys: [] },
    option: 'jwt.keys',
    problem: `must be an array of at least one key. ${KEYGEN}`,
  },
  {
    what: 'a string as keys',
    jwt: { keys: SECRET },
    option: 'jwt.keys',
    problem: `must be an array of at least one key. ${KEYGEN}`,
  },
  {
    what: 'a string as key',
    jwt: { keys: [SECRET] },
    option: 'jwt.keys[0]',
    problem: 'must be an object, not a string',
  },
  { what: 'null as key', jwt: { keys: [null] }, option: 'jwt.keys[0]', problem: 'must be an object, not null' },
  {
    what: 'a key without kid',
    jwt: { keys: [{ secret: SECRET }] },
    option: 'jwt.keys[0].kid',
    problem: 'must be 1 to 255 printable ASCII characters',
  },
  ...['', 'two words', 'schlüssel', 'x'.repeat(256), 7].map((kid) => ({
    what: `the kid ${JSON.stringify(kid).slice(0, 20)}`,
    jwt: { keys: [{ kid, secret: SECRET }] },
    option: 'jwt.keys[0].kid',
    problem: 'must be 1 to 255 printable ASCII characters',
  })),
  {
    what: 'two keys with the same kid',
    jwt: {
      keys: [
        { kid: 'a', secret: SECRET },
        { kid: 'a', privateKey: EC.privateKey, sign: false },
      ],
    },
    option: 'jwt.keys',
    problem: 'has two keys with the kid "a"; give each its own',
  },
  {
    what: 'a key without a secret, private key or public key',
    jwt: { keys: [{ kid: 'a' }] },
    option: 'jwt.keys[0]',
    problem: 'needs exactly one of secret, privateKey and publicKey',
  },
  {
    what: 'a key with both parts',
    jwt: { keys: [{ kid: 'a', privateKey: pem(EC.privateKey), publicKey: pem(EC.publicKey) }] },
    option: 'jwt.keys[0]',
    problem: 'needs exactly one of secret, privateKey and publicKey',
  },
  {
    what: 'an algorithm in a key',
    jwt: { keys: [{ kid: 'a', secret: SECRET, alg: 'HS512' }] },
    option: 'jwt.keys[0].alg',
    problem: 'is not an option; known are: kid, sign, algorithm, secret, privateKey, publicKey',
  },
  {
    what: 'a string as sign',
    jwt: { keys: [{ kid: 'a', secret: SECRET, sign: 'yes' }] },
    option: 'jwt.keys[0].sign',
    problem: 'must be true or false, not the string "yes"',
  },
  {
    what: 'a public key with sign: true',
    jwt: { keys: [{ kid: 'a', publicKey: EC.publicKey, sign: true }] },
    option: 'jwt.keys[0].sign',
    problem: 'is true for a key without a private part',
  },
  {
    what: 'no key that can sign',
    jwt: {
      keys: [
        { kid: 'a', publicKey: EC.publicKey },
        { kid: 'b', secret: SECRET, sign: false },
      ],
    },
    option: 'jwt.keys',
    problem: 'needs exactly one key that signs, and has 0; set sign: true on one that has a private part',
  },
  {
    what: 'two keys that can sign',
    jwt: {
      keys: [
        { kid: 'a', secret: SECRET },
        { kid: 'b', privateKey: EC.privateKey },
      ],
    },
    option: 'jwt.keys',
    problem: 'needs exactly one key that signs, and has 2; set sign: true on one that has a private part',
  },
  {
    what: 'two keys with sign: true',
    jwt: {
      keys: [
        { kid: 'a', secret: SECRET, sign: true },
        { kid: 'b', secret: SECRET, sign: true },
      ],
    },
    option: 'jwt.keys',
    problem: 'needs exactly one key that signs, and has 2; set sign: true on one that has a private part',
  },
  ...(
    [
      ['a short secret in a key', { secret: SECRET.slice(0, 20) }, 'secret', 'has 20 bytes; HS256 needs at least 32.'],
      [
        'a number as secret of a key',
        { secret: 7 },
        'secret',
        'must be a string or a Buffer, not a value of type number.',
      ],
      ['a private key that is not a key', { privateKey: SECRET }, 'privateKey', 'is not a private key in PEM format.'],
      ['a number as private key', { privateKey: 7 }, 'privateKey', 'is not a private key in PEM format.'],
      [
        'a public key as private key',
        { privateKey: pem(EC.publicKey) },
        'privateKey',
        'is not a private key in PEM format.',
      ],
      [
        'an encrypted private key',
        { privateKey: pem(EC.privateKey, 'x') },
        'privateKey',
        'is not a private key in PEM format.',
      ],
      [
        'a public KeyObject as private key',
        { privateKey: EC.publicKey },
        'privateKey',
        'is not a private key in PEM format.',
      ],
      [
        'a private key as public key',
        { publicKey: pem(EC.privateKey) },
        'publicKey',
        'is not a public key in PEM format.',
      ],
      [
        'a private KeyObject as public key',
        { publicKey: EC.privateKey },
        'publicKey',
        'is not a public key in PEM format.',
      ],
      [
        'a private key in a Buffer as public key',
        { publicKey: Buffer.from(pem(RSA.privateKey)) },
        'publicKey',
        'is not a public key in PEM format.',
      ],
      [
        'a key in DER',
        { publicKey: EC.publicKey.export({ type: 'spki', format: 'der' }) },
        'publicKey',
        'is not a public key in PEM format.',
      ],
    ] as const
  ).map(([what, key, part, problem]) => ({
    what,
    jwt: { keys: [{ kid: 'a', ...key }] },
    option: `jwt.keys[0].${part}`,
    problem: `${problem} ${KEYGEN}`,
  })),
  ...(
    [
      ['a public key in PEM format', pem(RSA.publicKey)],
      ['a private key in PEM format', pem(EC.privateKey)],
      ['a public key with escaped line breaks', pem(RSA.publicKey).replaceAll('\n', '\\n')],
      ['a public key in PEM format, as base64', Buffer.from(pem(RSA.publicKey)).toString('base64')],
      ['a certificate in PEM format', `-----BEGIN CERTIFICATE-----\n${CERTIFICATE.toString('base64')}`],
      ['a public key as a JWK', JSON.stringify(RSA.publicKey.export({ format: 'jwk' }))],
      ['a JWK with escaped quotes', JSON.stringify(JSON.stringify(EC.publicKey.export({ format: 'jwk' })))],
      ['a JWK as base64url', Buffer.from(JSON.stringify(EC.publicKey.export({ format: 'jwk' }))).toString('base64url')],
      ['a JWK set', JSON.stringify({ keys: [EC.publicKey.export({ format: 'jwk' })] }, undefined, 2)],
      ['the keys of a JWK set', JSON.stringify([EC.publicKey.export({ format: 'jwk' })])],
      ['a public key of SSH', `ssh-ed25519 ${SSH_BLOB} ada@example.com`],
      ['a line of known_hosts', `example.com ssh-ed25519 ${SSH_BLOB}`],
      ['a public key of SSH without its type', SSH_BLOB],
      [
        'a public key of SSH in its own armor',
        `---- BEGIN SSH2 PUBLIC KEY ----\n${SSH_BLOB}\n---- END SSH2 PUBLIC KEY ----`,
      ],
      ...(
        [
          ['SPKI, for RSA', der(RSA.publicKey)],
          ['SPKI, for P-256', der(EC.publicKey)],
          ['SPKI, for Ed25519', der(ED25519.publicKey)],
          ['PKCS #1', der(RSA.publicKey, 'pkcs1')],
          ['PKCS #8', der(EC.privateKey, 'pkcs8')],
          ['PKCS #1, private', der(RSA.privateKey, 'pkcs1')],
          ['SEC 1', der(EC.privateKey, 'sec1')],
          ['a certificate', CERTIFICATE],
        ] as const
      ).flatMap(([what, bytes]) => [
        [`DER: ${what}`, bytes] as const,
        [`DER as base64: ${what}`, bytes.toString('base64')] as const,
        [`DER as base64url: ${what}`, bytes.toString('base64url')] as const,
        [`DER as hex: ${what}`, bytes.toString('hex')] as const,
        [`DER as base64 with line breaks: ${what}`, `${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n`] as const,
      ]),
      ['the x5c of a JWK', JSON.stringify([CERTIFICATE.toString('base64'), CERTIFICATE.toString('base64')])],
    ] as const
  ).flatMap(([what, secret]) => {
    const problem = `is an asymmetric key or a certificate; a secret is random. ${KEYGEN}`;
    return [
      { what: `a secret that is ${what}`, jwt: { secret }, option: 'jwt.secret', problem },
      {
        what: `a secret of a key that is ${what}`,
        jwt: { keys: [{ kid: 'a', secret: Buffer.from(secret as string) }] },
        option: 'jwt.keys[0].secret',
        problem,
      },
    ];
  }),
  ...(
    [
      ['RSA', { publicKey: RSA.publicKey, algorithm: 'ES256' }, 'is ES256, but the key is for RS256, RS512, PS256'],
      ['P-256', { privateKey: EC.privateKey, algorithm: 'RS256' }, 'is RS256, but the key is for ES256'],
      ['Ed25519', { publicKey: ED25519.publicKey, algorithm: 'HS256' }, 'is HS256, but the key is for EdDSA'],
      ['a secret', { secret: SECRET, algorithm: 'EdDSA' }, 'is EdDSA, but the key is for HS256'],
    ] as const
  ).map(([what, key, problem]) => ({
    what: `the algorithm of another key, for ${what}`,
    jwt: { keys: [{ kid: 'a', ...key }] },
    option: 'jwt.keys[0].algorithm',
    problem,
  })),
  {
    what: 'a signer without its public key',
    jwt: { keys: [{ kid: 'a', privateKey: EC.privateKey, sign: () => Promise.resolve(Buffer.alloc(64)) }] },
    option: 'jwt.keys[0].sign',
    problem: 'is a function; give the publicKey that belongs to it',
  },
  {
    what: 'an RSA key of 1024 bits',
    jwt: { keys: [{ kid: 'a', privateKey: SHORT_RSA.privateKey }] },
    option: 'jwt.keys[0]',
    problem: `has an RSA key of 1024 bits; RS256 needs 2048. ${KEYGEN}`,
  },
  ...(
    [
      ['secp256k1', SECP256K1],
      ['rsa-pss', PSS],
    ] as const
  ).map(([type, { privateKey }]) => ({
    what: `a key of type ${type}`,
    jwt: {
      keys: [
        { kid: 'a', secret: SECRET },
        { kid: 'b', privateKey: pem(privateKey) },
      ],
    },
    option: 'jwt.keys[1]',
    problem: `has a key of type ${type}; Sigra signs with RSA, P-256, P-384 or Ed25519 keys. ${KEYGEN}`,
  })),
  {
    what: 'an algorithm that does not match the secret',
    jwt: { secret: SECRET, algorithm: 'RS256' },
    option: 'jwt.algorithm',
    problem: 'is RS256, but the signing key is for HS256; change one of them',
  },
  {
    what: 'an algorithm that does not match the signing key',
    jwt: {
      keys: [
        { kid: 'a', privateKey: RSA.privateKey },
        { kid: 'b', publicKey: EC.publicKey },
      ],
      algorithm: 'ES256',
    },
    option: 'jwt.algorithm',
    problem: 'is ES256, but the signing key is for RS256; change one of them',
  },
  {
    what: 'the algorithm none',
    jwt: { secret: SECRET, algorithm: 'none' },
    option: 'jwt.algorithm',
    problem: 'must be one of HS256, RS256, RS512, PS256, ES256, ES384, EdDSA, not the string "none"',
  },
];

describe('Invalid keys', () => {
  it.each(WRONG)('fail at boot with the option and the remedy: $what', ({ jwt, option, problem }) => {
    const error = errorOf(optionsWith(jwt));

    expect(error).toBeInstanceOf(SigraConfigError);
    expect(error).toMatchObject({ option, message: `sigra: ${option} ${problem}` });
  });

  it.each(WRONG)('never repeat a secret in the error: $what', ({ jwt }) => {
    const { message, stack, cause } = errorOf(optionsWith(jwt)) as Error;

    const text = `${message}\n${String(stack)}\n${String(cause)}`;
    expect(text).not.toContain(SECRET.slice(0, 15));
    expect(text).not.toContain('1234567890');
    expect(text).not.toContain('PRIVATE KEY');
    expect(text).not.toMatch(/MI[GI][A-Z0-9]/);
  });

  it('fail at boot, not at the first request', async () => {
    const boot = startTestApp({ sigra: { jwt: { enabled: true, issuer: 'https://issuer.example', secret: 'short' } } });

    await expect(boot).rejects.toMatchObject({ name: 'SigraConfigError', option: 'jwt.secret' });
  });
});
