import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CommandLine, DATA_SOURCE } from '../support/command-line.js';
import { document } from '../support/markdown.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { exchangesOf } from '../support/transcript.js';

/** Replaces ids, times and tokens, which differ each time. */
function withoutValues(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/sigra_sk_\w+/g, 'TOKEN')
    .trim();
}

// Each command is a process that starts an application.
jest.setTimeout(120_000);

describe('the transcripts of docs/cli.md', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('show the real output', async () => {
    const cli = new CommandLine(test.databaseUrl);
    const exchanges = exchangesOf(document('docs/cli.md'));

    const real: string[] = [];
    for (const { command } of exchanges) {
      const words = command.split(/\s+/).map((word) => word.replace('$OWNER', test.user.id));
      const { stdout } = await cli.run(words.slice(2).map((word) => word.replace('dist/data-source.js', DATA_SOURCE)));
      real.push(withoutValues(stdout));
    }

    expect(exchanges.length).toBeGreaterThan(2);
    expect(real).toEqual(exchanges.map(({ answer }) => withoutValues(answer.join('\n'))));
  });
});
