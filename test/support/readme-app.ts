import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { document } from './markdown.js';
import { root } from './source.js';

const NAMED = /^\/\/ src\/(\S+)\.ts\n/;

/** The application of the README, written to files, compiled and run as the README says, except for the port. */
export class ReadmeApp {
  private process: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly databaseUrl: string,
  ) {}

  static async write(databaseUrl: string): Promise<ReadmeApp> {
    // Below the root, so that Node finds node_modules, in a folder that git ignores.
    await mkdir(`${root}dist`, { recursive: true });
    const app = new ReadmeApp(await mkdtemp(join(root, 'dist', 'readme-')), await freePort(), databaseUrl);
    for (const { code } of document('README.md').fences) {
      const [, name] = NAMED.exec(code) ?? [];
      if (name !== undefined) await writeFile(join(app.folder, `${basename(name)}.js`), app.compile(code));
    }
    return app;
  }

  /** Starts `main` and waits until it has printed the token. @returns the printed `name=value` pairs */
  async start(): Promise<Readonly<Record<string, string>>> {
    const child = spawn(process.execPath, ['main.js'], { cwd: this.folder, env: this.environment() });
    this.process = child;
    let output = '';
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    return new Promise((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        output += String(chunk);
        const line = /^TOKEN=.*$/m.exec(output)?.[0];
        if (line !== undefined) resolve(Object.fromEntries(line.split(' ').map((part) => part.split('='))) as never);
      });
      child.on('exit', () => reject(new Error(output)));
    });
  }

  /** The URL that it listens on. */
  get url(): string {
    return `http://localhost:${this.port}`;
  }

  /** Runs a test file with Node's own runner. @throws with its output if a test fails */
  async test(file: string): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', file], {
      cwd: this.folder,
      env: this.environment(),
    });
    return stdout;
  }

  async stop(): Promise<void> {
    const child = this.process;
    if (child?.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await gone;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private compile(code: string): string {
    const [, options] = /"compilerOptions": (\{[\s\S]*?\n {2}\})/.exec(document('README.md').text) ?? [];
    const { target, experimentalDecorators, emitDecoratorMetadata } = JSON.parse(options!) as ts.CompilerOptions;
    const { outputText } = ts.transpileModule(code.replace('listen(3000)', `listen(${this.port})`), {
      compilerOptions: {
        target: ts.ScriptTarget[target as unknown as 'ES2022'],
        module: ts.ModuleKind.ESNext,
        experimentalDecorators,
        emitDecoratorMetadata,
      },
    });
    return outputText;
  }

  /** Without the variables that Jest sets for its own processes. Packages are imported from their sources. */
  private environment(): NodeJS.ProcessEnv {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:NODE_|JEST_)/.test(name));
    const register = pathToFileURL(`${root}tools/typescript/register-sources.js`).href;
    return { ...Object.fromEntries(own), NODE_OPTIONS: `--import=${register}`, DATABASE_URL: this.databaseUrl };
  }
}
