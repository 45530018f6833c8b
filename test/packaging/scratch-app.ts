import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Terminal } from '../support/terminal.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  name: string;
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
const manifest = async (path: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(root, path), 'utf8')) as Manifest;

export const workspace = await manifest('package.json');
export const demo = await manifest('apps/demo/package.json');
export const library = await manifest('libs/sigra/package.json');
export const ui = await manifest('libs/ui/package.json');
export const tarball = join(root, 'dist', `${library.name}-${library.version}.tgz`);

export const pick = (from: Record<string, string>, names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, from[name]!]));

/** The environment of a command outside of the repository: without the npm settings and the NODE_OPTIONS of this run. */
export function cleanEnvironment(extra: Record<string, string>): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_|^NODE_OPTIONS$|^NODE_ENV$|^JEST_|^INIT_CWD$/.test(name),
  );
  return { ...Object.fromEntries(kept), ...extra };
}

/** Runs a command outside of the repository. */
export async function run(
  cwd: string,
  command: string,
  args: string[],
  extra: Record<string, string> = {},
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: cleanEnvironment(extra),
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** An application outside of the repository, with the packed library installed from its tarball. */
export class ScratchApp {
  private constructor(private readonly folder: string) {}

  /**
   * Writes the application and installs its dependencies.
   *
   * @param sources folders in this one, whose files are merged into `src`
   * @param files further files, by name: JSON unless they are strings
   */
  static async create(
    packageJson: { dependencies: Record<string, string>; [key: string]: unknown },
    sources: string[],
    files: Record<string, unknown>,
  ): Promise<ScratchApp> {
    const folder = await mkdtemp(join(tmpdir(), 'sigra-package-'));
    const dependencies = { ...packageJson.dependencies, [library.name]: `file:${tarball}` };
    const all = { 'package.json': { name: 'scratch', private: true, ...packageJson, dependencies }, ...files };
    for (const [name, content] of Object.entries(all)) {
      await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
    }
    for (const source of sources) {
      await cp(join(root, 'test/packaging', source), join(folder, 'src'), { recursive: true });
    }
    const app = new ScratchApp(folder);
    await app.run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
    return app;
  }

  run(command: string, args: string[], extra: Record<string, string> = {}): Promise<string> {
    return run(this.folder, command, args, extra);
  }

  /** Starts a command on a terminal. */
  terminal(command: string, extra: Record<string, string> = {}): Terminal {
    return Terminal.start(command, this.folder, cleanEnvironment(extra));
  }

  /** Runs a program of the application's dependencies. */
  bin(name: string, args: string[] = []): Promise<string> {
    return this.run(join(this.folder, 'node_modules/.bin', name), args);
  }

  /** Changes the text of all files of `src`. */
  async rewrite(change: (text: string) => string): Promise<void> {
    const sources = join(this.folder, 'src');
    for (const name of await readdir(sources)) {
      await writeFile(join(sources, name), change(await readFile(join(sources, name), 'utf8')));
    }
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
