import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './cursor.js';
import { SigraError } from './sigra-error.js';

const ID = '0189abcd-0000-7000-8000-00000000beef';
const LAST = 253_402_300_799_999;

const base64url = (text: string) => Buffer.from(text, 'latin1').toString('base64url');

describe('decodeCursor', () => {
  it.each([0, 1, 1_767_225_600_123, LAST])('decodes a cursor that encodeCursor made at %i ms', (time) => {
    const createdAt = new Date(time);

    expect(decodeCursor(encodeCursor(createdAt, ID))).toEqual({ createdAt, id: ID });
  });

  it('needs no escaping in a URL', () => {
    const cursor = encodeCursor(new Date(LAST), ID);

    expect(encodeURIComponent(cursor)).toBe(cursor);
  });

  it.each([
    ['is empty', ''],
    ['has no id', base64url('abc')],
    ['has an empty id', base64url('abc.')],
    ['has no time', base64url(`.${ID}`)],
    ['has three parts', base64url(`abc.${ID}.x`)],
    ['has an upper-case id', base64url(`abc.${ID.toUpperCase()}`)],
    ['has an invalid id', base64url('abc.x')],
    ['has a time before 1970', base64url(`-1.${ID}`)],
    ['has a time after the year 9999', base64url(`${(LAST + 1).toString(36)}.${ID}`)],
    ['has a time with a leading zero', base64url(`0abc.${ID}`)],
    ['has an upper-case time', base64url(`ABC.${ID}`)],
    ['has a time with a fraction', base64url(`abc,5.${ID}`)],
    ['has characters after the time', base64url(`abc!.${ID}`)],
    ['is padded', `${encodeCursor(new Date(0), ID)}=`],
    ['uses the base64 alphabet', Buffer.from(`\xfb\xff.${ID}`, 'latin1').toString('base64')],
    ['ends in unused bits', `${encodeCursor(new Date(0), ID).slice(0, -1)}B`],
    ['has a line break', `${encodeCursor(new Date(0), ID)}\n`],
    ['is too long', 'A'.repeat(101)],
    ['is not a string', { toString: () => encodeCursor(new Date(0), ID) }],
    ['is missing', undefined],
  ])('rejects a cursor that %s', (_case, cursor) => {
    expect(() => decodeCursor(cursor as string)).toThrow(SigraError);
    expect(() => decodeCursor(cursor as string)).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
  });
});
