import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { document } from '../support/markdown.js';
import { root, titlesOf } from '../support/source.js';

const PAGES = ['docs/comparison.md', 'docs/reference-map.md', 'docs/security.md'];
/** A test in a document: its file in backticks, and its titles in double quotes. */
const NAMED = /`((?:test|libs|apps)\/[^`]+\.spec\.ts)`((?:,? "[^"]+")+)/g;

describe.each(PAGES)('the tests that %s names', (path) => {
  const named = [...document(path).text.matchAll(NAMED)].flatMap(([, file, titles]) =>
    [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! })),
  );

  it('exist', () => {
    const missing = named.filter(({ file, title }) => !existsSync(root + file) || !titlesOf(file).has(title));

    expect(missing).toEqual([]);
  });

  it('are all checked: every named file has a title', () => {
    const files = [...document(path).text.matchAll(/\.spec\.ts`/g)];
    const groups = [...document(path).text.matchAll(NAMED)];

    expect(groups.length).toBeGreaterThan(10);
    expect(files).toHaveLength(groups.length);
  });
});
