import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { UuidCounts } from './uuid-counts.js';

const entriesOf = (counts: UuidCounts) => new Map(counts.slice(0, counts.size).map(({ uuid, count }) => [uuid, count]));

describe('UuidCounts', () => {
  it.each([
    ['of any version', () => randomUUID()],
    ['in the order of time', () => uuidv7()],
    [
      'that differ in one digit',
      (_: unknown, index: number) => `00000000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
    ],
    [
      'that end in the same digits',
      (_: unknown, index: number) => `${index.toString(16).padStart(8, '0')}-0000-7000-8000-ffffffffffff`,
    ],
  ])('counts UUIDs %s', (_kind, make) => {
    const uuids = Array.from({ length: 5000 }, make);
    const expected = new Map<string, number>();
    const counts = new UuidCounts();

    for (let use = 0; use < 20_000; use++) {
      const uuid = uuids[(use * 7919) % 5000]!;
      counts.add(uuid, use % 3);
      expected.set(uuid, (expected.get(uuid) ?? 0) + (use % 3));
    }

    expect(counts.size).toBe(5000);
    expect(entriesOf(counts)).toEqual(expected);
  });

  it('adds others from an index on, and returns parts', () => {
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
    const counts = new UuidCounts();
    const others = new UuidCounts();
    for (const uuid of [a, b]) counts.add(uuid, 1);
    for (const uuid of [c, b, a]) others.add(uuid, 2 ** 40);

    counts.addAll(others, 1);

    expect(counts.slice(0, 1)).toEqual([{ uuid: a, count: 2 ** 40 + 1 }]);
    expect(counts.slice(1, 10)).toEqual([{ uuid: b, count: 2 ** 40 + 1 }]);
    expect(counts.slice(2, 10)).toEqual([]);
  });
});
