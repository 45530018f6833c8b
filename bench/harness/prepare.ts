import { execFileSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** Installs missing peers, and builds the library, so that the benchmarks measure what would be published. */
export async function prepare(): Promise<void> {
  if (!(await isInstalled())) execute('npm', ['--prefix', 'bench', 'ci']);
  execute('npx', ['nest', 'build', 'sigra']);
}

/** npm keeps a copy of the lock file next to the installed packages. */
async function isInstalled(): Promise<boolean> {
  const installed = await stat(new URL('bench/node_modules/.package-lock.json', ROOT)).catch(() => undefined);
  const wanted = await stat(new URL('bench/package-lock.json', ROOT));
  return installed !== undefined && installed.mtimeMs >= wanted.mtimeMs;
}

function execute(command: string, args: readonly string[]): void {
  execFileSync(command, args, { cwd: fileURLToPath(ROOT), stdio: 'inherit' });
}
