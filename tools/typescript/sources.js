import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const { compilerOptions } = JSON.parse(readFileSync(new URL('tsconfig.json', root), 'utf8'));

/** The packages of this repository and the absolute paths of their sources, from `paths` in `tsconfig.json`. */
export const sources = Object.fromEntries(
  Object.entries(compilerOptions.paths).map(([name, [path]]) => [name, fileURLToPath(new URL(path, root))]),
);
