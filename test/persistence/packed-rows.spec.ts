import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { integer, json, nullable, text, textArray, time, uuid } from '../../libs/sigra/src/persistence/columns.js';
import { PackedRow } from '../../libs/sigra/src/persistence/packed-row.js';
import { Table } from '../../libs/sigra/src/persistence/table.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { SeededRandom } from '../support/seeded-random.js';

const notes = new Table('notes', {
  id: uuid(),
  ownerId: text(),
  body: nullable(text()),
  tags: textArray(),
  data: json<unknown>(),
  size: integer(),
  readAt: nullable(time()),
});

const counted = new PackedRow({ count: integer() });

/** Everything that has a meaning in the text form of rows and arrays, or in JSON. */
const PIECES = ['"', '\\', ',', '(', ')', '{', '}', '[', ' ', '\t', '\n', '\r', 'NULL', "'", '$1', 'ä', '😀', 'a', ''];

describe('a packed row', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    dataSource = await new DataSource({ type: 'postgres', url: database.url, extra: { max: 1 } }).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('is read as it was stored, whatever its strings contain and whatever the settings of the session are', async () => {
    const random = new SeededRandom(11);
    const pick = (count: number) => Array.from({ length: count }, () => PIECES[random.below(PIECES.length)]!);
    const rows = Array.from({ length: 500 }, (_, n) => ({
      id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
      ownerId: pick(n % 5).join(''),
      body: n % 7 === 0 ? null : pick(n % 4).join(''),
      tags: pick(n % 4),
      data: { [pick(3).join('')]: pick(2), number: n, none: null },
      size: n - 250,
      readAt: n % 3 === 0 ? null : new Date(Math.floor((random.next() - 0.5) * 4e12)),
    }));
    await dataSource.query(`SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = -15`);

    for (const row of rows) {
      const [found] = await dataSource.query<[{ note: string }]>(
        `SELECT ${notes.packedWith('n', counted, { count: '7' })} AS note
         FROM (SELECT $1::uuid, $2::text, $3::text, $4::text[], $5::jsonb, $6::int, $7::timestamptz)
           AS n(id, owner_id, body, tags, data, size, read_at)`,
        [row.id, row.ownerId, row.body, row.tags, JSON.stringify(row.data), row.size, row.readAt],
      );

      expect(notes.unpackWith(found.note, counted)).toEqual([row, { count: 7 }]);
    }
  });
});
