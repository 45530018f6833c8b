import { describe, expect, it } from '@jest/globals';
import { type Passage, passages, passagesOfSource } from '../support/prose.js';

/** Turns of phrase that are hard to read or to search for, and what to write in their place. */
const RULES: readonly (readonly [turn: RegExp, instead: string])[] = [
  [/\bwho(?:m|se)?(?:so)?ever\b/i, 'anyone who'],
  // Not the account of that name.
  [/(?<!['`]|\ba )\bnobody\b(?!['`])/i, 'no one, or a sentence whose subject is the thing itself'],
  [/(?<!\bthere\s+)\b(?:is|are|was|were)\s+no\s+(?!longer\b|more\b)/i, 'is not a'],
  [/\b(?:missing|repeated)\s+or\s+no\s/i, 'missing or not a'],
  [/(?<!\bthere\s+)\b(?:is|are)\s+none\b/i, 'is invalid, is missing'],
  [/\b(?:is|are)\s+told\s+(?:by|from|on)\b/i, 'is recognized by, differs from, is published on'],
  [/\btells?\s+(?:good|bad)\s+\S+(?:\s+\S+)?\s+from\b/i, 'verifies'],
  [/\bof\s+which\b/i, 'two sentences'],
  [/\bmay\s+do\b/i, 'can do, is allowed to do'],
  [/\bhears?\s+(?:nothing\s+)?of\b/i, 'receives'],
  [/\bwhole\s+numbers?\b/i, 'integer'],
  [/\bfor\s+ever\b/i, 'forever'],
  [/\bof\s+before\b/i, 'from before'],
  [/\bbehind\s+the\s+back\b/i, 'in the background'],
  [/\bthat\s+is\s+no\s+good\b/i, 'invalid'],
  // A clause as the subject. A question, and a phrase in place of a sentence, begin with it as well.
  [/(?<=[.;:]\s+)What\b(?![^.?]*\?)/, 'a noun as the subject'],
];

function offences({ path, line, text }: Passage): string[] {
  return RULES.flatMap(([turn, instead]) =>
    [...text.matchAll(new RegExp(turn, `${turn.flags}g`))].map((match) => {
      const at = line + text.slice(0, match.index).split('\n').length - 1;
      return `${path}:${at} "${match[0].replaceAll(/\s+/g, ' ')}": write "${instead}"`;
    }),
  );
}

describe('the English of the repository', () => {
  it('avoids turns of phrase that are hard to read', () => {
    const others = passages().filter(({ path }) => path !== 'test/docs/english.spec.ts');

    expect(others.flatMap(offences)).toEqual([]);
  }, 120_000);

  it.each([
    ['a comment over two lines', '// It is\n// no text.\nexport {};', 'a.ts:1 "is no ": write "is not a"'],
    ['a doc comment', 'export {};\n/**\n * Whoever asks.\n */\nexport {};', 'a.ts:3 "Whoever": write "anyone who"'],
    ['the name of a test', "it('is told by its shape', () => {});", 'a.ts:1 "is told by": write'],
    ['a clause as a subject', '// Two rows. What it made ends.', 'a.ts:1 "What": write "a noun'],
    ['a message', 'throw new Error(`The ${name} is no whole number`);', 'a.ts:1 "whole number": write "integer"'],
  ])('is read in %s', (_place, source, expected) => {
    const found = passagesOfSource('a.ts', source).flatMap(offences);

    expect(found).toContainEqual(expect.stringContaining(expected));
  });

  it.each([
    'There is no such token.',
    'It is no longer valid.',
    'where there is none',
    'whenever it runs',
    'a nobody account',
    'Two questions. What ends?',
  ])('may say %j', (text) => {
    expect(offences({ path: 'a.md', line: 1, text })).toEqual([]);
  });
});
