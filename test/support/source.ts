import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** @param path from the root of the repository */
export function parseSource(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(`${root}${path}`, 'utf8'), ts.ScriptTarget.Latest, true);
}

/** Names in the export declarations of a file. */
export function exportsOf(path: string): string[] {
  return parseSource(path)
    .statements.filter(ts.isExportDeclaration)
    .flatMap(({ exportClause }) =>
      exportClause && ts.isNamedExports(exportClause) ? exportClause.elements.map(({ name }) => name.text) : [],
    );
}

/** Names that a file declares with `export`. */
export function exportedNamesOf(path: string): string[] {
  return parseSource(path).statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map(({ name }) => name.getText());
    }
    const named = ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement);
    return named && statement.name ? [statement.name.text] : [];
  });
}

/**
 * The string literals of a union type, of the aliases in it, and of the lists whose elements it names by `(typeof
 * LIST)[number]`.
 */
export function unionOf(path: string, alias: string): string[] {
  const { statements } = parseSource(path);
  const declaration = statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === alias,
  );
  const [, list] = /^\(typeof (\w+)\)\[number\]$/.exec(declaration?.type.getText() ?? '') ?? [];
  if (list !== undefined) return listOf(statements, list);
  if (!declaration || !ts.isUnionTypeNode(declaration.type)) throw new Error(`${path} has no union ${alias}`);
  return declaration.type.types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)
      ? [type.literal.text]
      : unionOf(path, type.getText()),
  );
}

function listOf(statements: readonly ts.Statement[], name: string): string[] {
  const declared = statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations)
    .find((declaration) => declaration.name.getText() === name);
  return (declared?.initializer?.getText().match(/'[^']+'/g) ?? []).map((literal) => literal.slice(1, -1));
}

/** Titles of the tests and groups of a spec, as written. `refusesAll` creates groups of hostile JWTs. */
export function titlesOf(path: string): ReadonlySet<string> {
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(?:describe|it|refusesAll)\b/.test(node.expression.getText())) {
      const [title] = node.arguments;
      if (title && ts.isStringLiteralLike(title)) titles.add(title.text);
      else if (title && ts.isTemplateExpression(title)) titles.add(title.getText().slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(parseSource(path));
  return titles;
}
