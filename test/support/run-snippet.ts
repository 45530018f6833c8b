import { createRequire } from 'node:module';
import ts from 'typescript';
import type { MarkdownFile } from './markdown.js';
import { root } from './source.js';

const require = createRequire(`${root}package.json`);
const AsyncFunction = (async () => Promise.resolve()).constructor as new (
  ...code: string[]
) => (...values: unknown[]) => Promise<void>;

/** Runs the `ts` snippets of a document, each at most once. */
export class SnippetRunner {
  private readonly left: { readonly code: string; readonly line: number }[];

  /** @param modules what the snippets import, by specifier; other modules come from `node_modules` */
  constructor(
    private readonly document: MarkdownFile,
    private readonly modules: Readonly<Record<string, unknown>>,
  ) {
    this.left = document.fences.filter(({ language }) => language === 'ts');
  }

  /** Lines of the snippets that did not run. */
  get linesLeft(): number[] {
    return this.left.map(({ line }) => line);
  }

  /**
   * Runs the first snippet that did not run yet and contains a text.
   *
   * @param host values of the names that the snippet neither declares nor imports
   * @returns its classes and exports; a module that it makes with `SigraModule.forRoot()` is `default`
   */
  async run<Exports>(text: string, host: Readonly<Record<string, unknown>> = {}): Promise<Exports> {
    const index = this.left.findIndex(({ code }) => code.includes(text));
    const [snippet] = index < 0 ? [] : this.left.splice(index, 1);
    if (!snippet) throw new Error(`${this.document.path} has no further snippet with: ${text}`);
    const exports = {};
    const run = new AsyncFunction('require', 'exports', ...Object.keys(host), commonJsOf(snippet.code));
    await run(
      (name: string): unknown => this.modules[name] ?? (require(name) as unknown),
      exports,
      ...Object.values(host),
    );
    return exports as Exports;
  }
}

function commonJsOf(code: string): string {
  const exported = code.replaceAll(/^class /gm, 'export class ').replace(/^SigraModule\./m, 'export default $&');
  return ts.transpileModule(exported, {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      useDefineForClassFields: false,
    },
  }).outputText;
}
