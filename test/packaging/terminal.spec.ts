import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { putTokens, remainingTokens } from '../support/aged-rows.js';
import { DATA_SOURCE } from '../support/command-line.js';
import { codeIn, document } from '../support/markdown.js';
import type { Terminal } from '../support/terminal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { demo, pick, ScratchApp } from './scratch-app.js';

/** The commands of docs/cli.md that load the completion of a shell, and the function that they complete. */
function setUpOf(shell: string): string[] {
  const codes = codeIn(document('docs/cli.md').prose);
  const compinit = codes.find((code) => code.startsWith('autoload '))!;
  const source = codes.find((code) => code.startsWith('source ') && code.includes(` ${shell})`))!;
  const wrapper = codes.find((code) => code.startsWith('sigra()'))!;
  return [...(shell === 'zsh' ? [compinit] : []), source, wrapper];
}

/** The settings of the account and its files are not those of the shells. */
const OWN_SETTINGS = { EDITOR: '', VISUAL: '', INPUTRC: '/dev/null', HISTFILE: '', ZDOTDIR: '.' };

/** npm has a display of its own, and announces its new versions. */
const WITHOUT_MESSAGES = { npm_config_progress: 'false', npm_config_update_notifier: 'false' };
/** Empties the line of the progress bar. */
const EMPTY_LINE = '\r\x1b[2K';
const FRAME = /^\[(?<bar>#*-*)\] step (?<step>\d+) of (?<steps>\d+), (?<rows>\d+) rows$/;

describe('npx sigra on a terminal', () => {
  let app: ScratchApp;

  beforeAll(async () => {
    app = await ScratchApp.create(
      {
        type: 'module',
        dependencies: pick(demo.dependencies, [
          '@nestjs/common',
          '@nestjs/core',
          '@nestjs/passport',
          '@nestjs/typeorm',
          'passport',
          'pg',
          'reflect-metadata',
          'rxjs',
          'typeorm',
        ]),
      },
      [],
      { 'data-source.mjs': await readFile(DATA_SOURCE, 'utf8') },
    );
  });
  afterAll(() => app.remove());

  describe.each([
    { shell: 'bash', start: 'bash --norc -i', status: '$?', list: '\t\t' },
    { shell: 'zsh', start: 'zsh -f -i', status: '%?', list: '\t' },
  ])('in $shell', ({ shell, start, status, list }) => {
    let terminal: Terminal;

    /** Runs a command line, which must succeed. The prompt shows its exit code. */
    const enter = async (line: string) => {
      terminal.press(`${line}\r`);
      expect((await terminal.shows(/\b(\d+)> /))[1]).toBe('0');
    };
    /** Presses Tab after some keys, and lets the shell print the line. zsh removes the space at its end. */
    const completed = async (keys: string) => {
      terminal.press(`${keys}\t\x01echo '[\x05]'\r`);
      const [, line] = await terminal.shows(/\n\[(.*)\]\r?\n/);
      await terminal.shows(/0> /);
      return line!.trimEnd();
    };
    /** Presses Tab after some keys, and reads the list of words that the shell shows. */
    const listed = async (keys: string) => {
      terminal.press(keys + list);
      const [, words] = await terminal.shows(new RegExp(`${keys}[\\x07\\r]*\\n([^]+?)\\r?\\n0> ${keys}`));
      terminal.press('\x15');
      return words!.trim().split(/\s+/).sort();
    };

    beforeAll(async () => {
      terminal = app.terminal(start, OWN_SETTINGS);
      await enter(`PS1='${status}> '`);
      for (const line of setUpOf(shell)) await enter(line);
    });
    afterAll(() => terminal.close());

    it('completes commands and options, also behind an operand', async () => {
      expect(await completed('sigra tok')).toBe('sigra token');
      expect(await completed('sigra owner forget --an')).toBe('sigra owner forget --anonymize-audit');
      expect(await completed('sigra token revoke ID --le')).toBe('sigra token revoke ID --leaked');
    });

    it('lists the words that can follow', async () => {
      expect(await listed('sigra token ')).toEqual(['create', 'list', 'lookup', 'revoke', 'rotate', 'show']);
      expect(await listed('sigra migration ')).toEqual(['run', 'status']);
    });

    it('completes the path of the data-source file, through folders', async () => {
      expect(await completed('sigra cleanup -d dat')).toBe('sigra cleanup -d data-source.mjs');
      expect(await completed('sigra cleanup --data-source node_mod\ttypeo\tpack')).toBe(
        'sigra cleanup --data-source node_modules/typeorm/package.json',
      );
    });

    it('runs the command that it has completed', async () => {
      terminal.press('sigra cl\t--he\t\r');

      await terminal.shows(/Usage: sigra cleanup \[OPTIONS\]/);
    });
  });

  describe('cleanup', () => {
    const CLEANUP = 'npx sigra cleanup -d data-source.mjs';
    let test: TestApp;

    beforeAll(async () => {
      test = await startTestApp();
    });
    afterAll(() => test.close());

    const addExpired = (count: number) => putTokens(test, count, { expiresAt: new Date('2020-01-02') });
    const start = (command: string, extra: Record<string, string> = {}) =>
      app.terminal(command, { ...WITHOUT_MESSAGES, DATABASE_URL: test.databaseUrl, ...extra });
    /** The frames of the bar, and the text behind it. */
    const partsOf = ({ output }: Terminal) => {
      const [before, ...parts] = output.split(EMPTY_LINE);
      expect(before).toBe('');
      const behind = parts.pop();
      return { frames: parts.map((part) => FRAME.exec(part)!.groups!), behind };
    };

    it('fills a bar, and replaces it with the report', async () => {
      await addExpired(3000);
      const terminal = start(`${CLEANUP} --batch-size 500`);

      const code = await terminal.ended();

      const { frames, behind } = partsOf(terminal);
      const rows = frames.map((frame) => Number(frame.rows));
      const filled = frames.map(({ bar }) => bar!.lastIndexOf('#') + 1);
      expect(code).toBe(0);
      expect(rows.slice(0, 6)).toEqual([500, 1000, 1500, 2000, 2500, 3000]);
      expect(filled[0]).toBe(0);
      for (const numbers of [rows, filled]) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect(new Set(frames.map(({ bar }) => bar!.length))).toEqual(new Set([24]));
      expect(frames.at(-1)).toEqual({ bar: '#'.repeat(24), step: '12', steps: '12', rows: '3000' });
      expect(behind).toMatch(/^expiredTokens +3000\r\n(?:.+\r\n)+complete +true\r\n$/);
    });

    it('shows the bar while the report goes into a file', async () => {
      await addExpired(3);
      const terminal = start(`${CLEANUP} > report.txt && cat report.txt`);

      const code = await terminal.ended();

      const { frames, behind } = partsOf(terminal);
      expect(code).toBe(0);
      expect(frames.at(-1)).toMatchObject({ step: '12', rows: '3' });
      expect(behind).toMatch(/^expiredTokens +3\r\n/);
    });

    it.each([
      ['with --json', `${CLEANUP} --json`, /^\{\s+"expiredTokens": 3,[^]+\}\s+$/],
      ['while messages go into a file', `${CLEANUP} 2> errors.txt; cat errors.txt`, /^expiredTokens +3\r\n/],
    ])('shows no bar %s', async (_case, command, report) => {
      await addExpired(3);
      const terminal = start(command);

      await terminal.ended();

      expect(terminal.output).toMatch(report);
      expect(terminal.output).not.toContain('step');
      expect(terminal.output).not.toContain('\x1b');
    });

    // npm passes Ctrl-C on to the shell, and some shells are replaced by the command.
    it.each(['sh', 'bash'])('ends after the current batch on Ctrl-C, where npm uses %s', async (shell) => {
      await addExpired(20_000);
      const terminal = start(`${CLEANUP} --batch-size 1`, { npm_config_script_shell: shell });
      await terminal.shows(/, 20 rows/);
      terminal.press('\x03');

      const code = await terminal.ended();

      expect(code).toBe(130);
      // The report only.
      expect(terminal.output.split(EMPTY_LINE).at(-1)).toMatch(/^expiredTokens +\d+\r\n(?:\w+ +\w+\r\n)+$/);
      expect(await test.dataSource.query('SELECT * FROM sigra_leases WHERE expires_at > now()')).toEqual([]);
      expect((await remainingTokens(test)).length).toBeGreaterThan(0);
      await test.dataSource.query('DELETE FROM sigra_api_tokens');
    });
  });
});
