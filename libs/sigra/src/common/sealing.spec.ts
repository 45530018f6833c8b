import { describe, expect, it } from '@jest/globals';
import { seal, unseal } from './sealing.js';
import { mintRefreshToken } from './token-format.js';

const PURPOSE = 'refresh-token successor';
const sealSuccessor = (successor: string, presented: string) => seal(successor, presented, PURPOSE);
const openSuccessor = (sealed: Buffer, presented: string) => unseal(sealed, presented, PURPOSE);

describe('A sealed successor', () => {
  const [presented, successor] = [mintRefreshToken(), mintRefreshToken()];

  it('can be opened with the token that it succeeds', () => {
    expect(openSuccessor(sealSuccessor(successor, presented), presented)).toBe(successor);
  });

  it('cannot be opened with any other token, including itself and one that differs in one character', () => {
    const sealed = sealSuccessor(successor, presented);

    for (const other of [successor, mintRefreshToken(), `${presented.slice(0, -1)}!`, '']) {
      expect(() => openSuccessor(sealed, other)).toThrow();
    }
  });

  it('cannot be opened for another purpose', () => {
    const sealed = sealSuccessor(successor, presented);

    expect(() => unseal(sealed, presented, 'idempotent answer')).toThrow();
  });

  it('cannot be opened after a change of any byte or a truncation', () => {
    const sealed = sealSuccessor(successor, presented);
    const changed = Array.from(sealed, (byte, place) => {
      const copy = Buffer.from(sealed);
      copy[place] = byte ^ 1;
      return copy;
    });
    const cut = Array.from(sealed, (_, length) => sealed.subarray(0, length));

    for (const bytes of [...changed, ...cut]) expect(() => openSuccessor(bytes, presented)).toThrow();
  });

  it('reveals nothing: it contains no part of the successor, and differs each time', () => {
    const [first, second] = [sealSuccessor(successor, presented), sealSuccessor(successor, presented)];

    expect(first.equals(second)).toBe(false);
    expect(first.toString('latin1')).not.toContain(successor.slice(0, 6));
    expect(first.length).toBe(12 + 16 + successor.length);
  });
});
