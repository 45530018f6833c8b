import { describe, expect, it } from '@jest/globals';
import { generateSecret, hashSecret } from './secret.js';

describe('generateSecret', () => {
  it('returns 43 base62 characters, different each time', () => {
    const secrets = Array.from({ length: 1000 }, generateSecret);

    expect(secrets.every((secret) => /^[0-9A-Za-z]{43}$/.test(secret))).toBe(true);
    expect(new Set(secrets).size).toBe(1000);
  });

  it('uses the whole alphabet in every position but the first', () => {
    const secrets = Array.from({ length: 2000 }, generateSecret);

    for (let place = 1; place < 43; place++) {
      expect(new Set(secrets.map((secret) => secret.charAt(place))).size).toBe(62);
    }
  });
});

describe('hashSecret', () => {
  it('returns SHA-256 in hexadecimal', () => {
    expect(hashSecret('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
