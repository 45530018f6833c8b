import { describe, expect, it } from '@jest/globals';
import { ownCopy } from './own-copy.js';

class Money {
  constructor(readonly cents: number) {}
}

describe('ownCopy', () => {
  it.each([null, undefined, 'text', 7, 7n, true])('returns %p itself', (value) => {
    expect(ownCopy(value)).toBe(value);
  });

  it('shares no mutable value with the original', () => {
    const value = { list: [{ at: new Date(7) }], bytes: Buffer.from('abc'), nothing: null };

    const copy = ownCopy(value) as typeof value;

    expect(copy).toEqual(value);
    expect(copy).not.toBe(value);
    expect(copy.list).not.toBe(value.list);
    expect(copy.list[0]).not.toBe(value.list[0]);
    expect(copy.list[0]!.at).not.toBe(value.list[0]!.at);
    copy.bytes[0] = 0;
    expect(value.bytes.toString()).toBe('abc');
  });

  it('copies __proto__ as an ordinary key', () => {
    const value = JSON.parse('{"__proto__": {"admin": true}}') as object;

    const copy = ownCopy(value) as { admin?: boolean };

    expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
    expect(copy.admin).toBeUndefined();
  });

  it('returns instances of other classes as they are', () => {
    const price = new Money(100);

    expect((ownCopy({ price }) as { price: Money }).price).toBe(price);
  });
});
