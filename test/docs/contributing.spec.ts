import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { document } from '../support/markdown.js';
import { root } from '../support/source.js';

const LIBRARY = 'libs/sigra/src/';

describe('the map in CONTRIBUTING.md', () => {
  const { tabled } = document('CONTRIBUTING.md');

  it('has a line for every folder of the library', () => {
    const folders = readdirSync(root + LIBRARY, { withFileTypes: true }).filter((entry) => entry.isDirectory());

    expect(folders.map(({ name }) => `${name}/`).filter((folder) => !tabled.includes(folder))).toEqual([]);
  });

  it('names only files and folders that exist', () => {
    expect(tabled.filter((path) => !existsSync(root + path) && !existsSync(root + LIBRARY + path))).toEqual([]);
  });
});
