import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { document } from '../support/markdown.js';
import { root } from '../support/source.js';

const source = (name: string) => readFileSync(`${root}libs/ui/src/${name}.ts`, 'utf8');
/** The first groups of all matches, without duplicates. */
const found = (text: string, pattern: RegExp) =>
  [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))].sort();

describe('docs/ui.md', () => {
  const { text, fences } = document('docs/ui.md');
  const element = source('sigra-tokens-element');
  const attributes = found(/observedAttributes = \[([^\]]+)\]/.exec(element)![1]!, /'([^']+)'/g);

  it('lists every attribute, property and event of the element', () => {
    const properties = found(element, /^ {2}set (\w+)\(/gm);
    const events = found(source('token-manager'), /\.(?:done|publish)\('([^']+)'/g);

    expect(found(text, /^\| `([^`]+)`/gm)).toEqual([...attributes, ...properties, ...events].sort());
  });

  it('lists every custom property', () => {
    expect(found(text, /`(--sigra-[a-z-]+)`/g)).toEqual(found(source('styles'), /var\((--sigra-[a-z-]+)/g));
  });

  it('uses known attributes in its examples', () => {
    const elements = fences.filter(({ language }) => language === 'html').map(({ code }) => code);
    const used = elements.flatMap((code) => found(/<sigra-tokens([^>]*)>/.exec(code)![1]!, /([a-z-]+)=/g));

    expect(used.filter((name) => !attributes.includes(name))).toEqual([]);
    expect(used.length).toBeGreaterThan(0);
  });
});
