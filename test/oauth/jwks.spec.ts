import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose';
import { ecKey, type ForgeKey, rsaKey, secretKey } from '../support/jwt-forge.js';
import { closeJwtApps } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { startOAuthApp } from '../support/oauth-app.js';

const [rsa, ec, secret] = [rsaKey('rsa-1'), ecKey('ec-1'), secretKey('secret-1')];

afterEach(closeJwtApps);

describe.each(ADAPTERS)('GET /.well-known/jwks.json on %s (RFC 7517 section 5)', (adapter) => {
  const start = (...keys: ForgeKey[]) =>
    startOAuthApp({ keys: keys.map(({ option }, index) => ({ ...option, sign: index === 0 })) }, { adapter });
  const keysOf = async (url: string) =>
    ((await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: JWK[] }).keys;

  it('lists the public keys in order, each with its use', async () => {
    const test = await start(rsa, ec);

    const keys = await keysOf(test.url);

    const text = expect.stringMatching(/^[\w-]+$/);
    expect(keys).toEqual([
      { kty: 'RSA', kid: 'rsa-1', alg: 'RS256', use: 'sig', n: text, e: 'AQAB' },
      { kty: 'EC', kid: 'ec-1', alg: 'ES256', use: 'sig', crv: 'P-256', x: text, y: text },
    ]);
  });

  it('lists the actual keys, in a form that other software reads', async () => {
    const test = await start(rsa, ec);

    const keys = await keysOf(test.url);
    const imported = await Promise.all(keys.map((key) => importJWK(key)));
    const thumbprints = await Promise.all(keys.map((key) => calculateJwkThumbprint(key)));

    expect(imported.map((key) => (key as { type: string }).type)).toEqual(['public', 'public']);
    expect(thumbprints).toEqual(
      await Promise.all(
        [rsa, ec].map(({ signs }) =>
          calculateJwkThumbprint(createPublicKey(signs as KeyObject).export({ format: 'jwk' }) as JWK),
        ),
      ),
    );
  });

  it('never contains a private part or a secret', async () => {
    const test = await start(secret, rsa, ec);

    const text = await (await fetch(`${test.url}/.well-known/jwks.json`)).text();

    const { d, p, q, dp, dq, qi } = createPrivateKey(
      (rsa.signs as KeyObject).export({ type: 'pkcs8', format: 'pem' }),
    ).export({ format: 'jwk' });
    const parts = [d, p, q, dp, dq, qi, (ec.signs as KeyObject).export({ format: 'jwk' }).d];
    for (const part of parts) expect(text).not.toContain(part!.slice(0, 20));
    expect(text).not.toContain((secret.signs as Buffer).toString('base64url').slice(0, 20));
    expect(text).not.toContain('secret-1');
    expect(text).not.toMatch(/"(?:d|p|q|dp|dq|qi|k|oth)":/);
  });

  it('lists keys that only verify, and no secret', async () => {
    const verifyOnly = { kid: 'rsa-0', publicKey: createPublicKey(rsa.signs) };
    const test = await startOAuthApp({ keys: [secret.option, verifyOnly] }, { adapter });

    expect((await keysOf(test.url)).map(({ kid }) => kid)).toEqual(['rsa-0']);
  });

  it('is an empty set where only a secret signs', async () => {
    const test = await startOAuthApp({}, { adapter });

    expect(await keysOf(test.url)).toEqual([]);
  });

  it('can be cached for five minutes, and has its own media type (RFC 7517 section 8.5)', async () => {
    const test = await start(rsa);

    const { status, headers } = await fetch(`${test.url}/.well-known/jwks.json`);

    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(headers.get('content-type')).toMatch(/^application\/jwk-set\+json\b/);
  });

  it('needs no credential, and ignores an invalid one', async () => {
    const test = await start(rsa);

    const { status } = await test.present('sigra_sk_bad', '/.well-known/jwks.json');

    expect(status).toBe(200);
  });
});
