import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * The README as the package has it. npm's page cannot follow relative links, so they become names of files, all of
 * which the package holds.
 */
export function packageReadme() {
  const readme = readFileSync(`${root}README.md`, 'utf8');
  return readme
    .replaceAll('(libs/sigra/CHANGELOG.md)', '(CHANGELOG.md)')
    .replaceAll(/\[([^\]]+)\]\((?!https?:|#)([^)#]+)[^)]*\)/g, '$1 (`$2`)');
}

/** Puts README.md and docs/ into the package's folder. The README is kept in the repository; a test compares the two. */
export function writePackageDocs() {
  writeFileSync(`${root}libs/sigra/README.md`, packageReadme());
  rmSync(`${root}libs/sigra/docs`, { recursive: true, force: true });
  cpSync(`${root}docs`, `${root}libs/sigra/docs`, { recursive: true });
}
