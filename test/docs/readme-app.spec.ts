import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { document } from '../support/markdown.js';
import { ReadmeApp } from '../support/readme-app.js';
import { curl, exchangesOf, withPlainNames } from '../support/transcript.js';

const exchanges = exchangesOf(document('README.md'));

jest.setTimeout(120_000);

describe('the application of the README', () => {
  let database: TestDatabase;
  let app: ReadmeApp;

  beforeAll(async () => {
    database = await createDatabase();
    app = await ReadmeApp.write(database.url);
  });
  afterAll(async () => {
    await app.stop();
    await database.drop();
  });

  it('answers what the README shows', async () => {
    const variables = await app.start();

    const real: string[][] = [];
    for (const { command } of exchanges) real.push(await curl(command, app.url, variables));

    expect(exchanges.length).toBeGreaterThan(4);
    exchanges.forEach(({ answer }, index) => {
      expect(withPlainNames(real[index]!)).toEqual(expect.arrayContaining(withPlainNames(answer)));
    });
  });

  it('passes the tests of the README', async () => {
    const report = await app.test('projects.test.js');

    expect(report).toMatch(/^# pass 3$/m);
    expect(report).toMatch(/^# fail 0$/m);
  });
});
