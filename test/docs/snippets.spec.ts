import { describe, expect, it } from '@jest/globals';
import { compileSnippets } from '../support/compile-snippets.js';
import { documents } from '../support/markdown.js';

describe('the snippets of the documents', () => {
  it('compile against the library, under the options of the repository', () => {
    expect(compileSnippets(documents)).toEqual([]);
  }, 120_000);

  it('parse if they are JSON', () => {
    const broken = documents.flatMap(({ path, fences }) =>
      fences.filter(({ language, code }) => language === 'json' && !parses(code)).map(({ line }) => `${path}:${line}`),
    );

    expect(broken).toEqual([]);
  });

  it('name a known language, so that they are checked', () => {
    // HTML is that of docs/ui.md, and SQL that of docs/operations.md, which have tests of their own.
    const known = ['ts', 'json', 'bash', 'console', 'http', 'text', 'mermaid', 'html', 'sql'];
    const others = documents.flatMap(({ path, fences }) =>
      fences
        .filter(({ language }) => !known.includes(language))
        .map(({ line, language }) => `${path}:${line} ${language}`),
    );

    expect(others).toEqual([]);
  });
});

function parses(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}
