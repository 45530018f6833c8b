import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { AuditService, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const ID = '01890000-0000-7000-8000-000000000000';
const BYTES = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \0é\u{1f511}';

/** The same numbers in every run, so that a failure is reproducible. */
function randomNumbers(seed: string): (below: number) => number {
  let turn = 0;
  return (below) => createHash('sha256').update(`${seed}${turn++}`).digest().readUInt32BE() % below;
}

/** A typical change by a mistake or an attack. */
function mutate(cursor: string, random: (below: number) => number): string {
  const place = random(cursor.length + 1);
  const character = Array.from(BYTES)[random(Array.from(BYTES).length)]!;
  switch (random(6)) {
    case 0:
      return cursor.slice(0, place) + character + cursor.slice(place + 1);
    case 1:
      return cursor.slice(0, place) + character + cursor.slice(place);
    case 2:
      return cursor.slice(0, place) + cursor.slice(place + 1);
    case 3:
      return cursor.slice(0, place);
    case 4:
      return cursor + cursor.slice(place);
    default:
      return Buffer.from(Array.from({ length: random(80) }, () => random(256))).toString('base64url');
  }
}

/** Whether it is the canonical form of a position: a mutation can yield another valid cursor. */
function isGood(cursor: string): boolean {
  try {
    const { createdAt, id } = decodeCursor(cursor);
    return encodeCursor(createdAt, id) === cursor;
  } catch {
    return false;
  }
}

describe('cursors', () => {
  let test: TestApp;
  const refusals = (cursor: unknown) =>
    Promise.all([
      refusalOf(test.tokens.listActive(test.user, { cursor: cursor as string })),
      refusalOf(test.get(AuditService).query({ cursor: cursor as string })),
    ]);

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('are rejected with invalid_cursor only, for 2,000 mutated or invented cursors', async () => {
    const random = randomNumbers('cursors');
    const cursors: string[] = [];
    while (cursors.length < 2000) {
      const cursor = mutate(encodeCursor(new Date(random(2 ** 32) * 1000), ID), random);
      if (!isGood(cursor)) cursors.push(cursor);
    }

    const codes = (await Promise.all(cursors.map(refusals))).flat();

    expect(new Set(codes)).toEqual(new Set(['invalid_cursor']));
  });

  it('are accepted when a mutation yields another valid cursor', async () => {
    const random = randomNumbers('good');
    const cursors: string[] = [];
    while (cursors.length < 200) {
      const cursor = mutate(encodeCursor(new Date(random(2 ** 32) * 1000), ID), random);
      if (isGood(cursor)) cursors.push(cursor);
    }

    const pages = await Promise.all(cursors.map((cursor) => test.tokens.listActive(test.user, { cursor })));

    expect(pages.every(({ tokens }) => tokens.length === 0)).toBe(true);
  });

  it.each([
    ['null', null],
    ['a number', 42],
    ['an object', {}],
    ['an array', [encodeCursor(new Date(), ID)]],
    ['empty', ''],
    ['blank', ' '],
    ['a megabyte long', 'x'.repeat(1_000_000)],
  ])('are rejected with invalid_cursor when they are %s', async (_kind, cursor) => {
    expect(await refusals(cursor)).toEqual(['invalid_cursor', 'invalid_cursor']);
  });

  it.each([new Date(0), new Date(1), new Date('2026-01-01T12:34:56.789Z'), new Date(253_402_300_799_999)])(
    'encode %p and an id, and are accepted',
    async (createdAt) => {
      const cursor = encodeCursor(createdAt, ID);

      expect(decodeCursor(cursor)).toEqual({ createdAt, id: ID });
      expect(await test.tokens.listActive(test.user, { cursor })).toMatchObject({ tokens: [] });
      expect(await test.get(AuditService).query({ cursor })).toMatchObject({ nextCursor: null });
    },
  );
});
