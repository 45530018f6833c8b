import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** Builds libs/ui: one minified ES module without imports, dist/sigra-tokens.js with its source map, and the declarations. */
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'libs/ui');
rmSync(join(folder, 'dist'), { recursive: true, force: true });
const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder];
execFileSync(process.execPath, [...tsc, '--noEmit', 'false', '--declaration', '--emitDeclarationOnly'], {
  stdio: 'inherit',
});
buildSync({
  entryPoints: [join(folder, 'src/sigra-tokens.ts')],
  outfile: join(folder, 'dist/sigra-tokens.js'),
  bundle: true,
  format: 'esm',
  minify: true,
  sourcemap: true,
  target: 'es2022',
});
