import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeClock } from 'nestjs-sigra/testing';
import { onDatabase, type TestDatabase } from '../support/database.js';
import { closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { MAIN_JWT, MAIN_RESULTS, MAIN_SIGRA, mainFlows, START } from '../support/main-flows.js';
import { document } from '../support/markdown.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';

describe('the role of the application in docs/operations.md', () => {
  const role = `app_${randomBytes(4).toString('hex')}`;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createMigratedDatabase(USERS);
    const { code } = document('docs/operations.md').fences.find(({ language }) => language === 'sql')!;
    const sql = code
      .replaceAll(/\bapp\b/g, role)
      .replace('ROLE owner', 'ROLE postgres')
      .replace('…', role);
    await onDatabase(database.url, (client) => client.query(sql));
  });
  afterAll(async () => {
    await closeJwtApps();
    await onDatabase(database.url, (client) => client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`));
    await database.drop();
  });

  it('can do everything that the application does', async () => {
    const databaseUrl = Object.assign(new URL(database.url), { username: role, password: role }).href;
    const test = await startJwtApp(MAIN_JWT, { databaseUrl, clock: new FakeClock(START), sigra: MAIN_SIGRA });

    expect(await mainFlows(test)).toEqual(MAIN_RESULTS);
  });

  it('can use tables that the owner adds later', async () => {
    await onDatabase(database.url, (client) => client.query('CREATE TABLE later (id int)'));
    const url = Object.assign(new URL(database.url), { username: role, password: role }).href;

    const { rowCount } = await onDatabase(url, (client) => client.query('INSERT INTO later VALUES (1)'));

    expect(rowCount).toBe(1);
  });
});
