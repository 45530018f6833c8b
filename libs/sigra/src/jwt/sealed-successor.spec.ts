import { describe, expect, it } from '@jest/globals';
import { mintRefreshToken } from './refresh-token-format.js';
import { openSuccessor, sealSuccessor } from './sealed-successor.js';

describe('A sealed successor', () => {
  const [presented, successor] = [mintRefreshToken(), mintRefreshToken()];

  it('is opened by the token that it succeeds', () => {
    expect(openSuccessor(sealSuccessor(successor, presented), presented)).toBe(successor);
  });

  it('is opened by no other: not by itself, nor by one that differs in one character', () => {
    const sealed = sealSuccessor(successor, presented);

    for (const other of [successor, mintRefreshToken(), `${presented.slice(0, -1)}!`, '']) {
      expect(() => openSuccessor(sealed, other)).toThrow();
    }
  });

  it('cannot be changed, nor cut short, in any byte', () => {
    const sealed = sealSuccessor(successor, presented);
    const changed = Array.from(sealed, (byte, place) => {
      const copy = Buffer.from(sealed);
      copy[place] = byte ^ 1;
      return copy;
    });
    const cut = Array.from(sealed, (_, length) => sealed.subarray(0, length));

    for (const bytes of [...changed, ...cut]) expect(() => openSuccessor(bytes, presented)).toThrow();
  });

  it('tells nothing: it holds no part of either token, and is another one each time', () => {
    const [first, second] = [sealSuccessor(successor, presented), sealSuccessor(successor, presented)];

    expect(first.equals(second)).toBe(false);
    expect(first.toString('latin1')).not.toContain(successor.slice(0, 6));
    expect(first.length).toBe(12 + 16 + successor.length);
  });
});
