import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Packs the two packages into dist/nestjs-sigra-<version>.tgz and dist/nestjs-sigra-ui-<version>.tgz. Their `prepack` scripts build them. */
const cwd = fileURLToPath(new URL('..', import.meta.url));

mkdirSync(`${cwd}dist`, { recursive: true });
const workspaces = ['nestjs-sigra', 'nestjs-sigra-ui'].map((name) => `--workspace=${name}`);
execFileSync('npm', ['pack', '--loglevel=error', ...workspaces, '--pack-destination', 'dist'], {
  cwd,
  stdio: 'inherit',
});
