import { createHmac, createPublicKey, generateKeyPairSync, randomInt, sign } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { SigraError } from '../common/sigra-error.js';
import { type JwtKey, jwtKeys, keyRing } from '../config/jwt-keys.js';
import { CompactJwsReader } from './compact-jws.reader.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const ringOf = (keys: readonly object[]) => keyRing(undefined, jwtKeys.resolve('jwt.keys', keys, {}));
const { keys } = ringOf([
  { kid: 'secret', secret: 'x'.repeat(32), sign: true },
  { kid: 'rsa', privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey },
  { kid: 'ec', privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
]);
const RING = [...keys.values()];

function jws(key: JwtKey, payload = '{"sub":"ada"}'): string {
  const header = JSON.stringify({ alg: key.algorithm, typ: 'at+jwt', kid: key.kid });
  const signed = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${signed}.${signature(key, signed).toString('base64url')}`;
}

function signature({ algorithm, signingKey }: JwtKey, signed: string): Buffer {
  if (algorithm === 'HS256') return createHmac('sha256', signingKey!).update(signed).digest();
  return sign('sha256', Buffer.from(signed), { key: signingKey!, dsaEncoding: 'ieee-p1363' });
}

/** The outcomes of opening the given strings: `accepted`, or the code of the error. */
function outcomesOf(reader: CompactJwsReader, texts: readonly string[]): Set<string> {
  return new Set(
    texts.map((text) => {
      try {
        reader.open(text);
        return 'accepted';
      } catch (error) {
        if (error instanceof SigraError) return error.code;
        throw error;
      }
    }),
  );
}

describe.each(RING)('CompactJwsReader with a key for $algorithm', (key) => {
  const good = jws(key);
  const fresh = () => new CompactJwsReader(keys);
  /** A reader that has accepted the valid token, and can remember its header. */
  const experienced = () => {
    const reader = fresh();
    reader.open(good);
    return reader;
  };

  it('opens tokens that the key has signed, repeatedly', () => {
    const reader = fresh();

    expect([reader.open(good), reader.open(good)]).toEqual([{ sub: 'ada' }, { sub: 'ada' }]);
    expect(reader.open(jws(key, '{"sub":"grace"}'))).toEqual({ sub: 'grace' });
  });

  it('rejects every change of one character', () => {
    const changed = Array.from(good).flatMap((character, place) =>
      ['A', '_', '9', '.', '=', '+', ' ', 'é', '\0', ALPHABET.charAt((ALPHABET.indexOf(character) + 1) % 64)]
        .filter((other) => other !== character)
        .map((other) => good.slice(0, place) + other + good.slice(place + 1)),
    );

    expect(changed.length).toBeGreaterThan(good.length * 8);
    expect(outcomesOf(fresh(), changed)).toEqual(new Set(['invalid_token']));
    expect(outcomesOf(experienced(), changed)).toEqual(new Set(['invalid_token']));
  });

  it('rejects every truncation and every missing or doubled character', () => {
    const places = Array.from(good, (_, place) => place);
    const changed = places.flatMap((place) => [
      good.slice(0, place),
      good.slice(place + 1),
      good.slice(0, place) + good.slice(place + 1),
      good.slice(0, place + 1) + good.slice(place),
    ]);

    const others = changed.filter((text) => text !== good);
    expect(outcomesOf(fresh(), others)).toEqual(new Set(['invalid_token']));
    expect(outcomesOf(experienced(), others)).toEqual(new Set(['invalid_token']));
  });

  it('rejects only with invalid_token, for any signed payload', () => {
    const payloads = Array.from({ length: 300 }, () =>
      Array.from({ length: randomInt(40) }, () => '{}[]":,\\u0z1.-e \t'.charAt(randomInt(17))).join(''),
    );

    const outcomes = outcomesOf(
      fresh(),
      payloads.map((payload) => jws(key, payload)),
    );

    expect([...outcomes].filter((outcome) => !['accepted', 'invalid_token'].includes(outcome))).toEqual([]);
  });
});

describe('CompactJwsReader', () => {
  const [secret, rsa] = RING as [JwtKey, JwtKey];

  it('rejects a token of another key with the same kid', () => {
    const others = ringOf([{ kid: 'secret', secret: 'y'.repeat(32) }]);

    expect(() => new CompactJwsReader(others.keys).open(jws(secret))).toThrow('The signature is invalid.');
  });

  it('does not remember a header without a valid signature', () => {
    const reader = new CompactJwsReader(keys);
    const good = jws(secret);
    const forged = `${good.slice(0, good.lastIndexOf('.'))}.${'A'.repeat(43)}`;

    const outcomes = [outcomesOf(reader, [forged]), outcomesOf(reader, [forged]), outcomesOf(reader, [good, good])];

    expect(outcomes).toEqual([new Set(['invalid_token']), new Set(['invalid_token']), new Set(['accepted'])]);
  });

  it('opens tokens with any number of headers', () => {
    const reader = new CompactJwsReader(keys);
    const [, payload = ''] = jws(secret).split('.');
    const tokens = Array.from({ length: 250 }, (_, index) => {
      const header = { alg: 'HS256', typ: 'at+jwt', kid: 'secret', index };
      const signed = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`;
      return `${signed}.${signature(secret, signed).toString('base64url')}`;
    });

    expect(outcomesOf(reader, [...tokens, ...tokens])).toEqual(new Set(['accepted']));
  });

  it('verifies without a private key', () => {
    const publicOnly = ringOf([
      { kid: 'rsa', publicKey: createPublicKey(rsa.signingKey!) },
      { kid: 'own', secret: 'x'.repeat(32) },
    ]);

    expect(new CompactJwsReader(publicOnly.keys).open(jws(rsa))).toEqual({ sub: 'ada' });
  });
});
