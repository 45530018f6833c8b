import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join, posix, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { packageReadme, writePackageDocs } from '../../scripts/package-docs.js';
import { codeIn, MarkdownFile } from '../support/markdown.js';
import { root } from '../support/source.js';

const manifest = JSON.parse(readFileSync(`${root}libs/sigra/package.json`, 'utf8')) as {
  files: string[];
  scripts: Record<string, string>;
};

describe('the documents of the package', () => {
  let folder: string;
  const packed = (path: string) => new MarkdownFile(posix.join(relative(root, folder), path));

  beforeAll(async () => {
    await mkdir(`${root}dist`, { recursive: true });
    folder = await mkdtemp(join(root, 'dist', 'package-docs-'));
    writePackageDocs(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('are copied from the repository by the prepack script', async () => {
    expect(manifest.scripts.prepack).toContain('node scripts/package-docs.js');
    expect((await readdir(folder)).sort()).toEqual(
      manifest.files.filter((file) => !['dist', 'schematics'].includes(file)).sort(),
    );
    expect(packed('README.md').text).toBe(packageReadme());
    for (const path of ['CHANGELOG.md', 'docs/security.md']) {
      expect(packed(path).text).toBe(readFileSync(root + path, 'utf8'));
    }
  });

  it('are without the configuration of the site', async () => {
    expect((await readdir(join(folder, 'docs'))).filter((name) => !/\.(md|json)$/.test(name))).toEqual([]);
  });

  it('have no link in the README that npm cannot follow, and name files that the package holds', () => {
    const { links, prose } = packed('README.md');
    const named = codeIn(prose).filter((code) => /^(?:docs\/|CHANGELOG).*\.md$/.test(code));

    expect(links.filter((link) => !/^(?:https:|#)/.test(link))).toEqual([]);
    expect(named).toContain('CHANGELOG.md');
    expect(named.filter((file) => !existsSync(join(folder, file)))).toEqual([]);
  });

  it('have no link that leads out of the package', async () => {
    const pages = (await readdir(join(folder, 'docs'))).map((name) => packed(`docs/${name}`));

    const lost = pages.flatMap(({ path, links }) =>
      links
        .filter((link) => !/^(?:https?:|#)/.test(link))
        .filter((link) => !existsSync(join(folder, 'docs', link.split('#')[0]!)))
        .map((link) => `${path}: ${link}`),
    );

    expect(lost).toEqual([]);
  });
});
