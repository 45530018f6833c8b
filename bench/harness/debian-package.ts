import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whether a program is there, after its Debian package of the same name was installed if it was missing. Needs root. */
export async function installed(name: string): Promise<boolean> {
  return (await exists(name)) || ((await install(name)) && (await exists(name)));
}

/** Whether the Debian package could be installed. */
export function install(name: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return Promise.resolve(false);
  return succeeds('apt-get', ['install', '--yes', '--no-install-recommends', name]);
}

function exists(name: string): Promise<boolean> {
  return succeeds('which', [name]);
}

function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}
