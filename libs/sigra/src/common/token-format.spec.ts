import { describe, expect, it } from '@jest/globals';
import { hintOf, isWellFormed, mintRawToken, tokenPattern } from './token-format.js';

const PREFIX = 'sigra_sk_';
/** The payload of a token made by hand: 43 zeros. Its checksum is the CRC-32 of the whole payload. */
const KNOWN = `${PREFIX}${'0'.repeat(43)}`;

describe('mintRawToken', () => {
  it('returns the prefix, 43 characters of secret and 6 of checksum', () => {
    expect(mintRawToken(PREFIX)).toMatch(/^sigra_sk_[0-9A-Za-z]{49}$/);
    expect(mintRawToken('x')).toMatch(/^x[0-9A-Za-z]{49}$/);
  });

  it('returns a different well-formed token each time', () => {
    const tokens = Array.from({ length: 500 }, () => mintRawToken(PREFIX));

    expect(tokens.every((token) => isWellFormed(token, PREFIX))).toBe(true);
    expect(new Set(tokens).size).toBe(500);
  });
});

describe('isWellFormed', () => {
  it('includes the prefix in the checksum', () => {
    const token = mintRawToken('aaaa_');

    expect(isWellFormed(token, 'aaaa_')).toBe(true);
    expect(isWellFormed(token.replace('aaaa_', 'bbbb_'), 'bbbb_')).toBe(false);
  });

  it('accepts a known checksum, and rejects another', () => {
    expect(isWellFormed(`${KNOWN}2KwMn0`, PREFIX)).toBe(false);
    expect(isWellFormed(`${KNOWN}2KwMnk`, PREFIX)).toBe(true);
  });

  it.each([
    ['an empty string', ''],
    ['the prefix alone', PREFIX],
    ['a token without its last character', mintRawToken(PREFIX).slice(0, -1)],
    ['a token with one more character', `${mintRawToken(PREFIX)}0`],
    ['another prefix', mintRawToken('sigra_rt_')],
    ['an upper-case prefix', mintRawToken('SIGRA_SK_')],
  ])('rejects %s', (_case, token) => {
    expect(isWellFormed(token, PREFIX)).toBe(false);
  });
});

describe('hintOf', () => {
  it('returns the four characters after the prefix', () => {
    expect(hintOf('sigra_sk_abcdefgh', PREFIX)).toBe('abcd');
  });
});

describe('tokenPattern', () => {
  const token = mintRawToken(PREFIX);

  it.each([token, `"${token}"`, `Bearer ${token}\r\n`, `?t=${token}&x=1`, `${token}.`, `<${token}>`, `é${token}é`])(
    'finds the token in %j',
    (text) => {
      expect(tokenPattern().exec(text)?.[0]).toBe(token);
    },
  );

  it.each([`x${token}`, `${token}x`, `_${token}`, `${token}_`, token.slice(0, -1), token.replace('sk', 'pk')])(
    'finds no token in %j',
    (text) => {
      expect(tokenPattern().test(text)).toBe(false);
    },
  );

  it('finds tokens with a given prefix', () => {
    const other = mintRawToken('acme_');

    expect(tokenPattern('acme_').exec(`key=${other};`)?.[0]).toBe(other);
    expect(tokenPattern().test(other)).toBe(false);
  });

  it('keeps no state between two strings', () => {
    const pattern = tokenPattern();

    expect([pattern.test(token), pattern.test(token)]).toEqual([true, true]);
  });
});
