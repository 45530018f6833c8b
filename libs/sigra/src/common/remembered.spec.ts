import { describe, expect, it, jest } from '@jest/globals';
import { remembered } from './remembered.js';

describe('remembered', () => {
  const lengthOf = () => {
    const compute = jest.fn((text: string) => (text.startsWith('?') ? undefined : { length: text.length }));
    return { compute, find: remembered(compute) };
  };

  it('computes the result of a string once', () => {
    const { compute, find } = lengthOf();

    expect([find('abc'), find('abc'), find('ab')]).toEqual([{ length: 3 }, { length: 3 }, { length: 2 }]);
    expect(compute.mock.calls).toEqual([['abc'], ['ab']]);
  });

  it('does not keep strings without a result, nor those of more than 64 characters', () => {
    const { compute, find } = lengthOf();
    const long = 'a'.repeat(65);

    expect([find('?'), find('?'), find(long), find(long)]).toEqual([
      undefined,
      undefined,
      { length: 65 },
      { length: 65 },
    ]);
    expect(compute).toHaveBeenCalledTimes(4);
  });

  it('keeps at most 5,000 results', () => {
    const { compute, find } = lengthOf();

    for (let number = 0; number < 5000; number++) find(`key ${number}`);
    find('key 0');
    const before = compute.mock.calls.length;
    find('one more');
    find('key 0');

    expect(before).toBe(5000);
    expect(compute).toHaveBeenCalledTimes(5002);
  });
});
