import { posix } from 'node:path';
import ts from 'typescript';
import type { Fence, MarkdownFile } from './markdown.js';
import { exportedNamesOf, root } from './source.js';

const HOST = 'test/support/snippet-host.ts';
const FOLDER = 'test/docs/.snippets';
const hostNames = exportedNamesOf(HOST);

/**
 * The errors of TypeScript in the `ts` snippets of the documents, as `file:line: message`. A snippet that begins with a
 * comment such as `// src/user.ts` becomes that file, so that the snippets of a document can import each other. Names that a
 * snippet neither declares nor imports come from `snippet-host.ts`.
 */
export function compileSnippets(documents: readonly MarkdownFile[]): string[] {
  const snippets = new Map(documents.flatMap((document) => snippetsOf(document)));
  const options = optionsOfRepository();
  const host = ts.createCompilerHost(options);
  const { directoryExists, fileExists, readFile, getSourceFile } = host;
  const folders = new Set([...snippets.keys()].map((path) => posix.dirname(path)));
  host.directoryExists = (path) => folders.has(path) || (directoryExists?.call(host, path) ?? false);
  host.fileExists = (path) => snippets.has(path) || fileExists(path);
  host.readFile = (path) => snippets.get(path)?.code ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const snippet = snippets.get(path);
    return snippet
      ? ts.createSourceFile(path, snippet.code, version, true)
      : getSourceFile.call(host, path, version, ...rest);
  };
  const program = ts.createProgram([...snippets.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => describe(diagnostic, snippets));
}

interface Snippet {
  readonly document: string;
  readonly line: number;
  readonly code: string;
}

function snippetsOf(document: MarkdownFile): [string, Snippet][] {
  return document.fences
    .filter(({ language }) => language === 'ts')
    .map((fence, index) => {
      const [, name] = /^\/\/ (src\/\S+\.ts)\n/.exec(fence.code) ?? [];
      const path = posix.join(FOLDER, document.path.replaceAll('/', '-'), name ?? `${index}.ts`);
      return [root + path, { document: document.path, line: fence.line, code: withHost(fence, path) }];
    });
}

/** Puts the import on the first line of the snippet, so that lines keep their numbers. */
function withHost({ code }: Fence, path: string): string {
  const own = declaredIn(code);
  const used = hostNames.filter((name) => !own.has(name) && new RegExp(`\\b${name}\\b`).test(code));
  const host = posix.relative(posix.dirname(path), HOST).replace(/\.ts$/, '.js');
  return `import { ${used.join(', ')} } from '${host}'; ${code}`;
}

function declaredIn(code: string): ReadonlySet<string> {
  return namesOf(ts.createSourceFile('snippet.ts', code, ts.ScriptTarget.Latest, true));
}

/** Names that a file declares at its top level or imports. */
function namesOf(source: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  const add = (name: ts.Node | undefined): void => {
    if (!name) return;
    if (ts.isIdentifier(name)) names.add(name.text);
    else ts.forEachChild(name, (part) => add(ts.isBindingElement(part) ? part.name : undefined));
  };
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) {
      const bindings = statement.importClause?.namedBindings;
      if (bindings && ts.isNamedImports(bindings)) bindings.elements.forEach(({ name }) => add(name));
    } else if (ts.isVariableStatement(statement)) {
      statement.declarationList.declarations.forEach(({ name }) => add(name));
    } else if (ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement)) {
      add(statement.name);
    }
  }
  return names;
}

function optionsOfRepository(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
  // A snippet can declare values that it does not use.
  return { ...options, noUnusedLocals: false, noUnusedParameters: false };
}

function describe({ file, start = 0, messageText }: ts.Diagnostic, snippets: ReadonlyMap<string, Snippet>): string {
  const message = ts.flattenDiagnosticMessageText(messageText, ' ');
  if (!file) return message;
  const { line } = file.getLineAndCharacterOfPosition(start);
  const snippet = snippets.get(file.fileName);
  return snippet
    ? `${snippet.document}:${snippet.line + line}: ${message}`
    : `${file.fileName}:${line + 1}: ${message}`;
}
