import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { packageReadme } from '../../scripts/package-docs.js';
import { codeIn, MarkdownFile } from './support/markdown.js';
import { root } from './support/source.js';

describe('the README of the package', () => {
  it('is the one of the repository: npm run pack:lib writes it anew', () => {
    expect(readFileSync(`${root}libs/sigra/README.md`, 'utf8')).toBe(packageReadme());
  });

  it('has no link that npm could not follow, and names files that the package holds', () => {
    const { links, prose } = new MarkdownFile('libs/sigra/README.md');
    const named = codeIn(prose).filter((code) => /^(?:docs\/|CHANGELOG).*\.md$/.test(code));

    expect(links.filter((link) => !/^(?:https:|#)/.test(link))).toEqual([]);
    expect(named).toContain('CHANGELOG.md');
    expect(named.filter((file) => !existsSync(root + file))).toEqual([]);
  });
});
