import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { documents, MarkdownFile } from '../support/markdown.js';
import { root } from '../support/source.js';

describe('links between the documents', () => {
  it('lead to files and headings that exist', () => {
    const broken = documents.flatMap((document) =>
      document.links.filter((link) => isBroken(document, link)).map((link) => `${document.path}: ${link}`),
    );

    expect(broken).toEqual([]);
  });

  it('lead from the README to every document', () => {
    const readme = documents.find(({ path }) => path === 'README.md')!;

    const reached = new Set(readme.links.map((link) => link.split('#')[0]));

    expect(documents.map(({ path }) => path).filter((path) => path.startsWith('docs/') && !reached.has(path))).toEqual(
      [],
    );
  });
});

function isBroken(from: MarkdownFile, link: string): boolean {
  if (/^https?:/.test(link)) return false;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from.path : posix.join(posix.dirname(from.path), path);
  if (!existsSync(root + target)) return true;
  return anchor !== undefined && !new MarkdownFile(target).anchors.has(anchor);
}
