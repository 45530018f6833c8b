import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Packs the library into dist/nestjs-sigra-<version>.tgz. Its `prepack` script builds it and copies its documents. */
const cwd = fileURLToPath(new URL('..', import.meta.url));

mkdirSync(`${cwd}dist`, { recursive: true });
execFileSync('npm', ['pack', '--loglevel=error', '--workspace', 'nestjs-sigra', '--pack-destination', 'dist'], {
  cwd,
  stdio: 'inherit',
});
