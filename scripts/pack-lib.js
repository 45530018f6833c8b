import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writePackageDocs } from './package-docs.js';

/** Builds the library and packs it as dist/nestjs-sigra-<version>.tgz, just as npm would publish it. */
const cwd = fileURLToPath(new URL('..', import.meta.url));

execFileSync('npx', ['nest', 'build', 'sigra'], { cwd, stdio: 'inherit' });
writePackageDocs();
mkdirSync(`${cwd}dist`, { recursive: true });
execFileSync('npm', ['pack', '--loglevel=error', '--workspace', 'nestjs-sigra', '--pack-destination', 'dist'], {
  cwd,
  stdio: 'inherit',
});
