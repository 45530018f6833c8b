import { describe, expect, it } from '@jest/globals';
import { hash, nullable, observed, text, textArray, time, uuid } from './columns.js';
import { Parameters, Sql } from './sql.js';
import { Table } from './table.js';

const notes = new Table(
  'notes',
  {
    id: uuid(),
    ownerId: text(),
    bodyHash: hash(),
    tags: textArray(),
    lastReadFrom: nullable(observed(3)),
    createdAt: time(),
  },
  'id',
);
const AT = new Date('2030-01-01T00:00:00.000Z');
const NOTE = { id: 'n1', ownerId: 'ada', bodyHash: 'c0ffee', tags: ['a'], createdAt: AT };

describe('Table', () => {
  it('selects every column except hashes, as the text of one row', () => {
    expect(notes.packed('n')).toBe(
      'ROW(n.id, n.owner_id, n.tags, n.last_read_from, extract(epoch FROM n.created_at))::text',
    );
  });

  it('decodes a selected row into a new object each time', () => {
    const packed = `(n1,"ada, the ""countess""",{a},,${AT.getTime() / 1000})`;

    const row = notes.unpack(packed);

    expect(row).toEqual({ id: 'n1', ownerId: 'ada, the "countess"', tags: ['a'], lastReadFrom: null, createdAt: AT });
    expect(notes.unpack(packed)).not.toBe(row);
  });

  it('inserts the given columns, with their types', () => {
    const parameters = new Parameters();

    const sql = notes.insert('"notes"', [NOTE], parameters);

    expect(sql).toBe(
      'INSERT INTO "notes" (id, owner_id, body_hash, tags, created_at) VALUES ' +
        `($1::uuid, $2::text, decode($3::text, 'hex'), $4::text[], $5::timestamptz)`,
    );
    expect(parameters.values).toEqual(['n1', 'ada', 'c0ffee', ['a'], AT]);
  });

  it('inserts many rows from one parameter', () => {
    const parameters = new Parameters();

    const sql = notes.insert('"notes"', [NOTE, { ...NOTE, id: 'n2' }], parameters);

    expect(sql).toBe(
      'INSERT INTO "notes" (id, owner_id, body_hash, tags, created_at) ' +
        `SELECT given."id"::uuid, given."ownerId"::text, decode(given."bodyHash"::text, 'hex'), ` +
        'given."tags"::text[], given."createdAt"::timestamptz ' +
        'FROM json_to_recordset($1::json) AS given("id" text, "ownerId" text, "bodyHash" text, "tags" text[], "createdAt" text)',
    );
    const [records] = parameters.values as [string];
    expect(JSON.parse(records)).toMatchObject([{ id: 'n1', createdAt: AT.toISOString() }, { id: 'n2' }]);
  });

  it('inserts from another query, with its expressions', () => {
    const parameters = new Parameters();

    const sql = notes.insertFrom('old', '"notes"', { ...NOTE, ownerId: new Sql('old.owner_id') }, parameters);

    expect(sql).toBe(
      'INSERT INTO "notes" (id, owner_id, body_hash, tags, created_at) ' +
        `SELECT $1::uuid, old.owner_id, decode($2::text, 'hex'), $3::text[], $4::timestamptz FROM old`,
    );
  });

  it('numbers parameters after the existing ones of a statement', () => {
    const parameters = new Parameters();
    parameters.add('first');

    expect(notes.insertFrom('old', 'notes', NOTE, parameters)).toContain('SELECT $2::uuid');
  });

  it('truncates the values of observed columns', () => {
    const parameters = new Parameters();

    notes.insert('notes', [{ ...NOTE, lastReadFrom: '127.0.0.1' }], parameters);

    expect(parameters.values).toContain('127');
  });

  it('describes itself to TypeORM, without selecting hashes or synchronizing the table', () => {
    const { options } = notes.entity('Note');

    expect(options).toMatchObject({ name: 'Note', tableName: 'notes', synchronize: false });
    expect(options.columns).toMatchObject({
      id: { name: 'id', type: 'uuid', primary: true, primaryKeyConstraintName: 'notes_pkey' },
      lastReadFrom: { name: 'last_read_from', type: 'text', nullable: true },
      createdAt: { name: 'created_at', type: 'timestamptz', precision: 3 },
    });
    expect((options.columns as Record<string, unknown>).bodyHash).toMatchObject({ select: false });
  });
});
