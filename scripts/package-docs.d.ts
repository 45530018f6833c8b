/** The README as the package has it. */
export function packageReadme(): string;
/** Puts README.md and docs/ into the package's folder. */
export function writePackageDocs(): void;
