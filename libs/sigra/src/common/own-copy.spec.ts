import { describe, expect, it } from '@jest/globals';
import { ownCopy } from './own-copy.js';

class Money {
  constructor(readonly cents: number) {}
}

describe('ownCopy', () => {
  it.each([null, undefined, 'text', 7, 7n, true])('leaves %p as it is', (value) => {
    expect(ownCopy(value)).toBe(value);
  });

  it('shares nothing that can be changed', () => {
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

  it('copies what is named like a prototype as a name', () => {
    const value = JSON.parse('{"__proto__": {"admin": true}}') as object;

    const copy = ownCopy(value) as { admin?: boolean };

    expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
    expect(copy.admin).toBeUndefined();
  });

  it('gives what a host has made of a value as it is', () => {
    const price = new Money(100);

    expect((ownCopy({ price }) as { price: Money }).price).toBe(price);
  });
});
