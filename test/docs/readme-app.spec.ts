import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { document } from './support/markdown.js';
import { ReadmeApp } from './support/readme-app.js';

interface Exchange {
  readonly command: string;
  readonly answer: readonly string[];
}

/** The `curl` lines of the README, each with what is shown below it. */
const exchanges: readonly Exchange[] = document('README.md')
  .fences.filter(({ language }) => language === 'console')
  .flatMap(({ code }) => code.split('\n\n'))
  .map((text) => text.trim().split('\n'))
  .map(([command, ...answer]) => ({ command: command!.replace(/^\$ /, ''), answer }));

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
    for (const { command } of exchanges) real.push(await app.curl(command, variables));

    expect(exchanges.length).toBeGreaterThan(4);
    exchanges.forEach(({ answer }, index) => {
      expect(lowered(real[index]!)).toEqual(expect.arrayContaining(lowered(answer)));
    });
  });

  it('passes the tests of the README', async () => {
    const report = await app.test('projects.test.js');

    expect(report).toMatch(/^# pass 3$/m);
    expect(report).toMatch(/^# fail 0$/m);
  });
});

/** Names of headers have no case. */
function lowered(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^[\w-]+(?=: )/, (name) => name.toLowerCase()));
}
