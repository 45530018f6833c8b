import { describe, expect, it } from '@jest/globals';
import { includes, positionOf } from './primary-position.js';

describe('includes', () => {
  it.each([
    ['0/3000060', '0/3000060', true],
    ['0/3000060', '0/3000061', false],
    // As texts, they would compare the other way round.
    ['0/10000000', '0/9000000', true],
    ['A/0', '9/FFFFFFFF', true],
    ['9/FFFFFFFF', 'A/0', false],
    ['FFFFFFFF/FFFFFFFF', 'FFFFFFFF/FFFFFFFE', true],
  ])('compares the position %s with %s as numbers: %s', (replayed, lsn, expected) => {
    expect(includes(replayed, lsn)).toBe(expected);
  });
});

describe('positionOf', () => {
  it('reads the timeline from the name of the file, in hexadecimal', () => {
    const { witness } = positionOf({ lsn: '0/0', file: '0000001A0000000000000003', system: '7 app' }, 0, 0);

    expect(witness).toBe('26 7 app read committed all owners');
  });
});
