import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createDatabase } from './database.js';

describe('createDatabase', () => {
  it('creates a database for one file, and drops it despite open connections', async () => {
    const [mine, theirs] = await Promise.all([createDatabase(), createDatabase()]);
    const client = new pg.Client(mine.url);
    client.on('error', () => undefined);
    await client.connect();

    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
    await mine.drop();
    await theirs.drop();

    expect(mine.url.endsWith(`/${rows[0]!.name}`)).toBe(true);
    expect(theirs.url).not.toBe(mine.url);
    await expect(new pg.Client(mine.url).connect()).rejects.toMatchObject({ code: '3D000' });
  });
});
