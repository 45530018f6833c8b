import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { ecKey, type ForgeKey, rsaKey, seal, secretKey, segments, signatureOf } from '../support/jwt-forge.js';
import { KEYS, refusesAll } from '../support/hostile-jwt.js';

const SIGNATURE = 'The signature is invalid.';
const ALG = 'alg does not match the key.';

const publicKeyOf = ({ signs }: ForgeKey) => createPublicKey(signs);
const pem = publicKeyOf(KEYS.rsa).export({ type: 'spki', format: 'pem' }).toString();

/** The forms of the public RSA key that an attacker could use as a secret. */
const CONFUSED_SECRETS: Readonly<Record<string, Buffer>> = {
  'the PEM': Buffer.from(pem),
  'the PEM without its last newline': Buffer.from(pem.trim()),
  'the PEM of PKCS #1': Buffer.from(publicKeyOf(KEYS.rsa).export({ type: 'pkcs1', format: 'pem' })),
  'the DER': publicKeyOf(KEYS.rsa).export({ type: 'spki', format: 'der' }),
  'the JWK': Buffer.from(JSON.stringify(publicKeyOf(KEYS.rsa).export({ format: 'jwk' }))),
  nothing: Buffer.alloc(0),
};

refusesAll('A JWT that is signed with a public key as a secret (RFC 8725 section 2.1)', [
  ...Object.entries(CONFUSED_SECRETS).map(([name, secret]) => ({
    what: `HS256 with ${name} under the kid of the RSA key`,
    reason: ALG,
    forge: ({ header, payload }: { header: object; payload: object }) =>
      seal(JSON.stringify({ ...header, alg: 'HS256' }), JSON.stringify(payload), secretKey('rsa-1', secret)),
  })),
  {
    what: 'HS256 with the PEM, labelled as RS256',
    reason: SIGNATURE,
    forge: ({ header, payload }) =>
      seal(JSON.stringify(header), JSON.stringify(payload), secretKey('rsa-1', Buffer.from(pem))),
  },
  {
    what: 'HS256 with the PEM, under the kid of the secret',
    reason: SIGNATURE,
    key: KEYS.secret,
    forge: ({ header, payload }) =>
      seal(JSON.stringify(header), JSON.stringify(payload), secretKey('secret-1', Buffer.from(pem))),
  },
]);

/** Adds the modulus of the key to a signature. Both numbers are congruent. */
function plusModulus(signature: Buffer, key: ForgeKey): Buffer {
  const { n = '' } = publicKeyOf(key).export({ format: 'jwk' });
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
  const sum = BigInt(`0x${signature.toString('hex')}`) + modulus;
  const hex = sum.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

const replaceSignature = (jwt: string, signature: Buffer) =>
  jwt.slice(0, jwt.lastIndexOf('.') + 1) + signature.toString('base64url');
const signatureIn = (jwt: string) => Buffer.from(segments(jwt)[2], 'base64url');
const signedPart = (jwt: string) => jwt.slice(0, jwt.lastIndexOf('.'));

refusesAll('A JWT with a foreign signature', [
  ...[rsaKey('rsa-1'), ecKey('ec-1'), secretKey('secret-1')].map((stranger) => ({
    what: `of another environment’s ${stranger.alg} key under our kid`,
    reason: SIGNATURE,
    key: Object.values(KEYS).find(({ kid }) => kid === stranger.kid)!,
    forge: ({ header, payload }: { header: object; payload: object }) =>
      seal(JSON.stringify(header), JSON.stringify(payload), stranger),
  })),
  ...Object.values(KEYS).flatMap((key) => [
    {
      what: `${key.alg} over another payload`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt, payload }: { jwt: string; payload: object }) => {
        const [header, , signature] = segments(jwt);
        const changed = Buffer.from(JSON.stringify({ ...payload, scope: '*' })).toString('base64url');
        return `${header}.${changed}.${signature}`;
      },
    },
    {
      what: `${key.alg} with one bit flipped`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt }: { jwt: string }) => {
        const signature = signatureIn(jwt);
        signature[7]! ^= 1;
        return replaceSignature(jwt, signature);
      },
    },
    {
      what: `${key.alg} without its last byte`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt }: { jwt: string }) => replaceSignature(jwt, signatureIn(jwt).subarray(0, -1)),
    },
    {
      what: `${key.alg} with a zero byte after it`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt }: { jwt: string }) => replaceSignature(jwt, Buffer.concat([signatureIn(jwt), Buffer.alloc(1)])),
    },
    {
      what: `${key.alg} with a zero byte before it`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt }: { jwt: string }) => replaceSignature(jwt, Buffer.concat([Buffer.alloc(1), signatureIn(jwt)])),
    },
    {
      what: `${key.alg} of zeros only`,
      reason: SIGNATURE,
      key,
      forge: ({ jwt }: { jwt: string }) => replaceSignature(jwt, Buffer.alloc(signatureIn(jwt).length)),
    },
  ]),
  {
    what: 'ES256 in DER (RFC 7518 section 3.4)',
    reason: SIGNATURE,
    key: KEYS.ec,
    forge: ({ jwt, key }) =>
      replaceSignature(
        jwt,
        sign('sha256', Buffer.from(signedPart(jwt)), { key: key.signs as KeyObject, dsaEncoding: 'der' }),
      ),
  },
  {
    what: 'RS256 plus the modulus',
    reason: SIGNATURE,
    forge: ({ jwt, key }) => replaceSignature(jwt, plusModulus(signatureIn(jwt), key)),
  },
  {
    what: 'RS256 with the padding of PSS',
    reason: SIGNATURE,
    forge: ({ jwt, key }) =>
      replaceSignature(jwt, sign('sha256', Buffer.from(signedPart(jwt)), { key: key.signs as KeyObject, padding: 6 })),
  },
  {
    what: 'RS256 over SHA-512',
    reason: SIGNATURE,
    forge: ({ jwt, key }) => replaceSignature(jwt, sign('sha512', Buffer.from(signedPart(jwt)), key.signs)),
  },
  {
    what: 'RS256 over the decoded texts',
    reason: SIGNATURE,
    forge: ({ jwt, key }) => {
      const [header, payload] = segments(jwt).map((part) => Buffer.from(part, 'base64url').toString('latin1'));
      return replaceSignature(jwt, signatureOf(`${header}.${payload}`, key));
    },
  },
]);
