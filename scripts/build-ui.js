import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/**
 * Builds libs/ui: one ES module without imports, dist/sigra-tokens.js, and the declarations of each source. The sources are
 * compiled by TypeScript and put one after the other, each after those that it imports. Two that declare the same name make the
 * module invalid, so the build fails.
 */
const folder = fileURLToPath(new URL('../libs/ui', import.meta.url));
const entry = join(folder, 'src/sigra-tokens.ts');
const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), ts.sys.readFile);
const parsed = ts.parseJsonConfigFileContent(config, ts.sys, folder);
const options = { ...parsed.options, noEmit: false, declaration: true };

const host = { getCurrentDirectory: () => folder, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
const program = ts.createProgram([entry], options);
const problems = ts.getPreEmitDiagnostics(program);
if (problems.length > 0) throw new Error(ts.formatDiagnostics(problems, host));

rmSync(options.outDir, { recursive: true, force: true });
mkdirSync(options.outDir, { recursive: true });
/** Outputs by the path of their source. */
const scripts = new Map();
program.emit(undefined, (path, text, _mark, _error, [source]) => {
  if (path.endsWith('.d.ts')) writeFileSync(path, text);
  else scripts.set(source.fileName, text);
});

const placed = new Set();
const output = join(options.outDir, 'sigra-tokens.js');
writeFileSync(output, inOrder(entry).map(withoutModuleSyntax).join('\n'));
execFileSync(process.execPath, ['--check', output], { stdio: 'inherit' });

function inOrder(source) {
  if (placed.has(source)) return [];
  placed.add(source);
  const imported = ts
    .preProcessFile(scripts.get(source))
    .importedFiles.map(({ fileName }) => sourceOf(source, fileName));
  return [...imported.flatMap(inOrder), source];
}

function sourceOf(importer, specifier) {
  return resolve(dirname(importer), specifier.replace(/\.js$/, '.ts'));
}

/** Without imports, because everything is in one module, and with the exports of the entry alone. */
function withoutModuleSyntax(source) {
  const file = ts.createSourceFile(source, scripts.get(source), ts.ScriptTarget.Latest, true);
  let text = file.text;
  for (const statement of file.statements.toReversed()) {
    const [modifier] = statement.modifiers ?? [];
    if (ts.isImportDeclaration(statement)) text = cut(text, statement.getStart(), statement.end);
    else if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      text = cut(text, statement.exportClause.end, statement.moduleSpecifier.end);
    } else if (modifier?.kind === ts.SyntaxKind.ExportKeyword) {
      text = cut(text, modifier.getStart(), modifier.end + 1);
    }
  }
  return text.replaceAll(/^\s*\n/gm, '');
}

function cut(text, from, to) {
  return text.slice(0, from) + text.slice(to);
}
