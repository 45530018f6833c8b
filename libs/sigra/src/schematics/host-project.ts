import { posix } from 'node:path';
import { readText, type Tree } from './devkit.js';
import { SourceFile } from './source-file.js';

export interface RootModule {
  readonly className: string;
  readonly file: SourceFile;
}

/** The application that the library is added to. */
export class HostProject {
  private files: readonly SourceFile[] | undefined;

  constructor(
    private readonly tree: Tree,
    /** The folder with `main.ts`, from the root of the project. */
    readonly sourceRoot: string,
  ) {}

  /** The TypeScript files of the application, without tests. */
  get sources(): readonly SourceFile[] {
    this.files ??= [...this.pathsIn(this.sourceRoot)].map((path) => new SourceFile(this.tree, path));
    return this.files;
  }

  /**
   * The module that `main.ts` starts.
   *
   * @throws Error if `main.ts` does not start an imported class
   */
  rootModule(): RootModule {
    const main = this.path('main.ts');
    const starting = this.tree.exists(main) ? new SourceFile(this.tree, main) : undefined;
    const className = starting?.argumentOf('NestFactory', ['create', 'createMicroservice', 'createApplicationContext']);
    const specifier = className === undefined ? undefined : starting?.importOf(className);
    if (className === undefined || !specifier?.startsWith('.')) {
      throw new Error(
        `Cannot find the root module: ${main} does not call NestFactory.create() with an imported class.`,
      );
    }
    return { className, file: new SourceFile(this.tree, this.path(`${specifier.replace(/\.js$/, '')}.ts`)) };
  }

  /** Ending of relative imports: `.js` in ES modules. */
  importEnding(): '' | '.js' {
    return /from ['"]\.[^'"]*\.js['"]/.test(readText(this.tree, this.path('main.ts'))) ? '.js' : '';
  }

  /** A path below the folder of the sources. */
  path(relative: string): string {
    return posix.join(this.sourceRoot, relative);
  }

  /** Where the build writes the compiled sources, as the script `start:prod` of `nest new` says. */
  outputFolder(): string {
    const { scripts = {} } = JSON.parse(readText(this.tree, 'package.json')) as { scripts?: Record<string, string> };
    return /node (?:-\S+ )*(\S+)\/main\b/.exec(scripts['start:prod'] ?? '')?.[1] ?? 'dist';
  }

  packageManager(): 'npm' | 'pnpm' | 'yarn' {
    if (this.tree.exists('pnpm-lock.yaml')) return 'pnpm';
    return this.tree.exists('yarn.lock') ? 'yarn' : 'npm';
  }

  private *pathsIn(folder: string): Generator<string> {
    const { subfiles, subdirs } = this.tree.getDir(folder);
    for (const name of subfiles) {
      if (name.endsWith('.ts') && !/(?:\.d|[.-]spec|\.test)\.ts$/.test(name)) yield posix.join(folder, name);
    }
    for (const name of subdirs) {
      if (name !== 'node_modules') yield* this.pathsIn(posix.join(folder, name));
    }
  }
}
