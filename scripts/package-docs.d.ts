/** The README of the package: the repository's, with file names in place of relative links. */
export function packageReadme(): string;
/**
 * Writes README.md, CHANGELOG.md, LICENSE and docs/ into the folder of the package.
 *
 * @param folder the absolute path of the folder. @default `libs/sigra`
 */
export function writePackageDocs(folder?: string): void;
