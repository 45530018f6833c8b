import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { codeIn, document } from '../support/markdown.js';
import type { Terminal } from '../support/terminal.js';
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
      { 'data-source.mjs': '' },
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
});
