import ts from 'typescript';
import { parseSource } from './source.js';

const FILE = 'libs/sigra/src/config/sigra-options.ts';

type Declaration = ts.InterfaceDeclaration | ts.TypeAliasDeclaration;

/** Paths of all options, such as `apiTokens.prefix` and `jwt.keys[].kid`, read from their types. */
export function optionPaths(): string[] {
  const declarations = new Map(
    parseSource(FILE)
      .statements.filter(
        (statement): statement is Declaration =>
          ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement),
      )
      .map((declaration) => [declaration.name.text, declaration]),
  );

  const pathsOf = (name: string, prefix: string): string[] => {
    const declaration = declarations.get(name);
    if (!declaration) throw new Error(`${FILE} does not declare ${name}`);
    return membersOf(declaration).flatMap((member) => {
      const path = prefix + member.name.getText();
      const type = member.type?.getText() ?? '';
      // `never` is how a union says that an option belongs to another of its branches.
      if (type === 'never') return [];
      const [, nested, isArray] = /^(?:readonly )?(\w+(?:Options|Paths))(?:<\w+>)?(\[\])?$/.exec(type) ?? [];
      if (nested === undefined) return [path];
      return isArray ? [path, ...pathsOf(nested, `${path}[].`)] : pathsOf(nested, `${path}.`);
    });
  };

  const membersOf = (declaration: Declaration): ts.PropertySignature[] => {
    if (ts.isTypeAliasDeclaration(declaration)) return membersOfType(declaration.type);
    const inherited = (declaration.heritageClauses ?? []).flatMap(({ types }) =>
      types.flatMap(({ expression }) => membersOf(declarations.get(expression.getText())!)),
    );
    return [...inherited, ...declaration.members.filter(ts.isPropertySignature)];
  };

  const membersOfType = (type: ts.TypeNode): ts.PropertySignature[] => {
    if (ts.isParenthesizedTypeNode(type)) return membersOfType(type.type);
    if (ts.isUnionTypeNode(type) || ts.isIntersectionTypeNode(type)) return type.types.flatMap(membersOfType);
    if (ts.isTypeLiteralNode(type)) return type.members.filter(ts.isPropertySignature);
    if (ts.isTypeReferenceNode(type)) return membersOf(declarations.get(type.typeName.getText())!);
    return [];
  };

  return [...new Set([...pathsOf('SigraModuleOptions', ''), ...pathsOf('SigraModuleExtras', '')])];
}
