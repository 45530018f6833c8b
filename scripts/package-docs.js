import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const COPIES = ['CHANGELOG.md', 'LICENSE', 'docs'];
/** Its configuration, and the pages of single errors. */
const ONLY_FOR_THE_SITE = /docs\/(?:\.vitepress|errors)$/;

/**
 * The README of the package: the repository's, with file names in place of relative links, which npm's page cannot follow.
 * Files that the package does not contain are marked as such.
 */
export function packageReadme() {
  return readFileSync(join(root, 'README.md'), 'utf8').replaceAll(
    /\[([^\]]+)\]\((?!https?:|#)([^)#]+)[^)]*\)/g,
    (_, text, path) => `${text} (\`${path}\`${isCopied(path) ? '' : ' in the repository'})`,
  );
}

/** Writes README.md, CHANGELOG.md, LICENSE and docs/ into the folder of the package. The `prepack` script runs it. */
export function writePackageDocs(folder = join(root, 'libs/sigra')) {
  writeFileSync(join(folder, 'README.md'), packageReadme());
  for (const path of COPIES) {
    rmSync(join(folder, path), { recursive: true, force: true });
    cpSync(join(root, path), join(folder, path), { recursive: true, filter: (file) => !ONLY_FOR_THE_SITE.test(file) });
  }
}

function isCopied(path) {
  return COPIES.includes(path.split('/')[0]) && existsSync(join(root, path));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writePackageDocs();
