import { readText, type Tree } from './devkit.js';

interface Manifest {
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  [key: string]: unknown;
}

/** The `package.json` of the application. */
export class HostManifest {
  private readonly text: string;
  private readonly content: Manifest;

  constructor(private readonly tree: Tree) {
    this.text = readText(tree, 'package.json');
    this.content = JSON.parse(this.text) as Manifest;
  }

  /**
   * The major version of Nest.
   *
   * @throws Error if it is not a major that the library supports
   */
  nestMajor(): number {
    const range = this.content.dependencies?.['@nestjs/core'] ?? '';
    const major = Number(/\d+/.exec(range)?.[0]);
    if (major !== 11 && major !== 12) {
      throw new Error(`nestjs-sigra needs Nest 11 or 12, and package.json has @nestjs/core ${range || 'not at all'}.`);
    }
    return major;
  }

  /** Adds the dependencies that are missing. @returns whether there were any */
  addDependencies(ranges: Readonly<Record<string, string>>): boolean {
    const { dependencies = {}, devDependencies = {} } = this.content;
    const missing = Object.entries(ranges).filter(([name]) => !(name in dependencies) && !(name in devDependencies));
    if (missing.length > 0) this.content.dependencies = sorted({ ...dependencies, ...Object.fromEntries(missing) });
    return missing.length > 0;
  }

  /** Adds a script, unless there is one of this name. */
  addScript(name: string, command: string): void {
    this.content.scripts = { ...this.content.scripts, [name]: this.content.scripts?.[name] ?? command };
  }

  save(): void {
    const indent = /^[ \t]+/m.exec(this.text)?.[0] ?? '  ';
    const changed = JSON.stringify(this.content, null, indent) + (this.text.endsWith('\n') ? '\n' : '');
    if (changed !== this.text) this.tree.overwrite('package.json', changed);
  }
}

/** In the order that npm keeps. */
function sorted(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => a.localeCompare(b, 'en')));
}
