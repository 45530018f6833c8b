import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

describe('the testing kit in a program without a test runner', () => {
  it('works, and fails with the AssertionError of Node.js', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--import',
      path('../../tools/typescript/register-sources.js'),
      path('../support/without-a-runner.ts'),
    ]);

    expect(stdout).toBe('served and denied\n');
  });
});
