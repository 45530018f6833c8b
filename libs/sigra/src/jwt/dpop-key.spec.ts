import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint } from 'jose';
import type { DpopAlgorithm } from '../config/sigra-options.js';
import { dpopKeyOf } from './dpop-key.js';

const rsa = (bits: number, publicExponent = 65537) =>
  generateKeyPairSync('rsa', { modulusLength: bits, publicExponent }).publicKey;
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).publicKey;
const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' });
const P256 = jwkOf(ec('P-256'));

describe('dpopKeyOf', () => {
  it.each<[DpopAlgorithm, () => KeyObject]>([
    ['ES256', () => ec('P-256')],
    ['ES384', () => ec('P-384')],
    ['EdDSA', () => generateKeyPairSync('ed25519').publicKey],
    ['Ed25519', () => generateKeyPairSync('ed25519').publicKey],
    ['PS256', () => rsa(2048)],
    ['RS256', () => rsa(4096)],
    ['RS512', () => rsa(2048, 3)],
  ])('reads a key for %s, and its thumbprint of RFC 7638', async (algorithm, keyOf) => {
    const jwk = jwkOf(keyOf());

    const { thumbprint } = dpopKeyOf({ ...jwk, kid: 'ignored', alg: 'ignored' }, algorithm);

    expect(thumbprint).toBe(await calculateJwkThumbprint(jwk, 'sha256'));
  });

  it('gives a key one thumbprint, however its numbers are spelled', () => {
    const jwk = jwkOf(rsa(2048));
    const padded = Buffer.concat([Buffer.alloc(2), Buffer.from(jwk.n!, 'base64url')]).toString('base64url');

    expect(dpopKeyOf({ ...jwk, n: padded }, 'RS256').thumbprint).toBe(dpopKeyOf(jwk, 'RS256').thumbprint);
    expect(dpopKeyOf({ ...P256, x: `${P256.x!}=` }, 'ES256').thumbprint).toBe(dpopKeyOf(P256, 'ES256').thumbprint);
  });

  it.each<[string, unknown, DpopAlgorithm]>([
    ['another curve', jwkOf(ec('P-384')), 'ES256'],
    ['another type', P256, 'RS256'],
    ['a key for key agreement', jwkOf(generateKeyPairSync('x25519').publicKey), 'EdDSA'],
    ['a short RSA key', jwkOf(rsa(1024)), 'RS256'],
    ['a long RSA key', { kty: 'RSA', n: `${'_'.repeat(1365)}8`, e: 'AQAB' }, 'RS256'],
    ['a long exponent', { ...jwkOf(rsa(2048)), e: 'AQABAQABAQAB' }, 'RS256'],
    ['a private key', generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }), 'EdDSA'],
    ['a private member without a value', { ...P256, d: undefined }, 'ES256'],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }, 'ES256'],
    ['missing coordinates', { kty: 'EC', crv: 'P-256' }, 'ES256'],
    ['numbers as coordinates', { ...P256, x: 1 }, 'ES256'],
    ['an array', [P256], 'ES256'],
    ['a string', JSON.stringify(P256), 'ES256'],
    ['null', null, 'ES256'],
  ])('refuses %s', (_what, jwk, algorithm) => {
    expect(() => dpopKeyOf(jwk, algorithm)).toThrow(expect.objectContaining({ code: 'invalid_dpop_proof' }));
  });
});
