import { describe, expect, it } from '@jest/globals';
import { hintOf, isWellFormed, mintRawToken, tokenPattern } from './token-format.js';

const PREFIX = 'sigra_sk_';
/** A token of the published format, made by hand: 43 zeros, and the CRC-32 of all before it. */
const KNOWN = `${PREFIX}${'0'.repeat(43)}`;

describe('mintRawToken', () => {
  it('is the prefix, 43 characters of secret and 6 of checksum', () => {
    expect(mintRawToken(PREFIX)).toMatch(/^sigra_sk_[0-9A-Za-z]{49}$/);
    expect(mintRawToken('x')).toMatch(/^x[0-9A-Za-z]{49}$/);
  });

  it('is well-formed, and never the same', () => {
    const tokens = Array.from({ length: 500 }, () => mintRawToken(PREFIX));

    expect(tokens.every((token) => isWellFormed(token, PREFIX))).toBe(true);
    expect(new Set(tokens).size).toBe(500);
  });
});

describe('isWellFormed', () => {
  it('computes the checksum over the prefix as well', () => {
    const token = mintRawToken('aaaa_');

    expect(isWellFormed(token, 'aaaa_')).toBe(true);
    expect(isWellFormed(token.replace('aaaa_', 'bbbb_'), 'bbbb_')).toBe(false);
  });

  it('knows the checksum of a token made elsewhere', () => {
    expect(isWellFormed(`${KNOWN}2KwMn0`, PREFIX)).toBe(false);
    expect(isWellFormed(`${KNOWN}2KwMnk`, PREFIX)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['the prefix alone', PREFIX],
    ['one character less', mintRawToken(PREFIX).slice(0, -1)],
    ['one character more', `${mintRawToken(PREFIX)}0`],
    ['another prefix', mintRawToken('sigra_rt_')],
    ['the prefix in capitals', mintRawToken('SIGRA_SK_')],
  ])('refuses %s', (_case, token) => {
    expect(isWellFormed(token, PREFIX)).toBe(false);
  });
});

describe('hintOf', () => {
  it('is the four characters behind the prefix', () => {
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
    'finds none in %j',
    (text) => {
      expect(tokenPattern().test(text)).toBe(false);
    },
  );

  it('finds tokens of another prefix when asked', () => {
    const other = mintRawToken('acme_');

    expect(tokenPattern('acme_').exec(`key=${other};`)?.[0]).toBe(other);
    expect(tokenPattern().test(other)).toBe(false);
  });

  it('has no memory between two texts', () => {
    const pattern = tokenPattern();

    expect([pattern.test(token), pattern.test(token)]).toEqual([true, true]);
  });
});
