import { createRequire } from 'node:module';
import { join } from 'node:path';
import type ts from 'typescript';
import { readText, type Tree } from './devkit.js';

/** The compiler of the application, which every Nest project has. */
function compiler(): typeof ts {
  return createRequire(join(process.cwd(), 'package.json'))('typescript') as typeof ts;
}

/** Width of a line in Prettier's default, which `nest new` keeps. */
const LINE = 80;

/** A TypeScript file of the application: what it declares, and edits that leave the rest of its text as it is. */
export class SourceFile {
  private readonly ts = compiler();
  private source: ts.SourceFile;

  constructor(
    private readonly tree: Tree,
    /** Path from the root of the project. */
    readonly path: string,
  ) {
    this.source = this.parse(readText(tree, path));
  }

  get text(): string {
    return this.source.text;
  }

  save(): void {
    this.tree.overwrite(this.path, this.text);
  }

  /** The import of a name. @returns the module specifier */
  importOf(name: string): string | undefined {
    for (const statement of this.source.statements) {
      if (!this.ts.isImportDeclaration(statement) || !this.ts.isStringLiteral(statement.moduleSpecifier)) continue;
      const bindings = statement.importClause?.namedBindings;
      if (!bindings || !this.ts.isNamedImports(bindings)) continue;
      if (bindings.elements.some((element) => element.name.text === name)) return statement.moduleSpecifier.text;
    }
    return undefined;
  }

  /** The first argument of the first call of one of the methods of an object, if it is a name. */
  argumentOf(object: string, methods: readonly string[]): string | undefined {
    const call = this.find((node): node is ts.CallExpression => this.isCall(node, object, methods));
    const [first] = call?.arguments ?? [];
    return first && this.ts.isIdentifier(first) ? first.text : undefined;
  }

  /** Whether it calls one of the methods of an object. */
  calls(object: string, methods: readonly string[]): boolean {
    return this.find((node): node is ts.CallExpression => this.isCall(node, object, methods)) !== undefined;
  }

  /** Whether it exports a class with this name and this decorator. */
  exportsClass(name: string, decorator: string): boolean {
    const { ts } = this;
    return this.source.statements.some(
      (statement) =>
        ts.isClassDeclaration(statement) &&
        statement.name?.text === name &&
        ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true &&
        this.decoratorOf(statement, decorator) !== undefined,
    );
  }

  /** The value of `type` in the options of a DataSource, wherever they stand. */
  databaseType(): string | undefined {
    return this.dataSourceOptions()?.type;
  }

  /** Whether the options of a DataSource say that the application runs the migrations when it starts. */
  runsMigrations(): boolean {
    const options = this.dataSourceOptions()?.options;
    const value = options && this.propertyOf(options, 'migrationsRun');
    return value !== undefined && value.kind !== this.ts.SyntaxKind.FalseKeyword;
  }

  /** Whether it registers guards for all routes. */
  hasGlobalGuards(): boolean {
    const { ts } = this;
    const isGuard = (node: ts.Node): node is ts.Identifier =>
      ts.isIdentifier(node) && ['APP_GUARD', 'useGlobalGuards'].includes(node.text);
    return this.find(isGuard) !== undefined;
  }

  /** Adds an import, to that of the same module if there is one. */
  addImport(names: readonly string[], from: string): void {
    const { ts } = this;
    const imports = this.source.statements.filter((statement) => ts.isImportDeclaration(statement));
    const textOf = ({ moduleSpecifier }: ts.ImportDeclaration) => moduleSpecifier.getText(this.source);
    const same = imports
      .filter((each) => textOf(each).slice(1, -1) === from && !/^import\s+type\b/.test(each.getText(this.source)))
      .map(({ importClause }) => importClause?.namedBindings)
      .find((bindings) => bindings && ts.isNamedImports(bindings) && bindings.elements.length > 0);
    const last = imports.at(-1);
    const quote = imports.some((each) => textOf(each).startsWith('"')) ? '"' : "'";
    const line = `import { ${names.join(', ')} } from ${quote}${from}${quote};`;
    if (same && ts.isNamedImports(same)) this.insert(same.elements.at(-1)?.end ?? same.end, `, ${names.join(', ')}`);
    else if (last) this.insert(last.end, `\n${line}`);
    else this.insert(0, `${line}\n`);
  }

  /**
   * Adds elements to a list in the argument of `@Module()` of a class.
   *
   * @throws Error if it is not written as a list
   */
  addToModule(name: string, property: string, elements: readonly string[]): void {
    this.addTo(() => this.moduleOptions(name), property, elements);
  }

  /**
   * Adds elements to a list of the options of a DataSource.
   *
   * @throws Error if it is not written as a list
   */
  addToDataSource(property: string, elements: readonly string[]): void {
    this.addTo(() => this.dataSourceOptions()?.options, property, elements);
  }

  /** Adds a property to the options of a DataSource, unless they have it. */
  defaultInDataSource(property: string, value: string): void {
    const options = this.dataSourceOptions()?.options;
    const isThere = options?.properties.some((each) => each.name?.getText(this.source) === property);
    if (options && isThere !== true) this.insertProperty(options, `${property}: ${value}`);
  }

  private addTo(find: () => ts.ObjectLiteralExpression | undefined, property: string, elements: readonly string[]) {
    let options = find();
    if (options && !this.propertyOf(options, property)) {
      this.insertProperty(options, `${property}: []`);
      options = find();
    }
    const list = options && this.propertyOf(options, property);
    if (!list || !this.ts.isArrayLiteralExpression(list)) {
      throw new Error(`Cannot add to ${property} in ${this.path}, which must be a list: ${elements.join(', ')}`);
    }
    this.rewriteList(list, elements);
  }

  private rewriteList(list: ts.ArrayLiteralExpression, added: readonly string[]): void {
    const old = list.elements.map((element) => element.getText(this.source));
    const oneLine = `[${[...old, ...added].join(', ')}]`;
    const start = list.getStart(this.source);
    const indent = this.indentAt(start);
    const before = start - this.text.lastIndexOf('\n', start) - 1;
    const fits = !list.getText(this.source).includes('\n') && before + oneLine.length < LINE;
    if (fits && !oneLine.includes('\n')) {
      this.replace(start, list.end, oneLine);
      return;
    }
    const last = list.elements.at(-1);
    const lines = added.map((element) => `\n${indent}  ${element.replaceAll('\n', `\n${indent}  `)},`).join('');
    if (last && list.getText(this.source).includes('\n')) {
      // Comments between the elements stay where they are.
      const end = list.elements.hasTrailingComma ? list.elements.end : last.end;
      this.insert(end, `${list.elements.hasTrailingComma ? '' : ','}${lines}`);
      return;
    }
    const kept = old.map((element) => `\n${indent}  ${element},`).join('');
    this.replace(start, list.end, `[${kept}${lines}\n${indent}]`);
  }

  private insertProperty(options: ts.ObjectLiteralExpression, property: string): void {
    const last = options.properties.at(-1);
    const indent = this.indentAt(options.getStart(this.source));
    if (!last) this.replace(options.getStart(this.source), options.end, `{\n${indent}  ${property},\n${indent}}`);
    else if (options.getText(this.source).includes('\n'))
      this.insert(last.end, `,\n${this.indentAt(last.getStart(this.source))}${property}`);
    else this.insert(last.end, `, ${property}`);
  }

  private moduleOptions(name: string): ts.ObjectLiteralExpression | undefined {
    const declaration = this.find(
      (node): node is ts.ClassDeclaration => this.ts.isClassDeclaration(node) && node.name?.text === name,
    );
    const [options] = (declaration && this.decoratorOf(declaration, 'Module')?.arguments) ?? [];
    return options && this.ts.isObjectLiteralExpression(options) ? options : undefined;
  }

  private dataSourceOptions(): { type: string; options: ts.ObjectLiteralExpression } | undefined {
    const { ts } = this;
    const typeOf = (node: ts.ObjectLiteralExpression): string | undefined => {
      const type = this.propertyOf(node, 'type');
      return type && ts.isStringLiteral(type) && DATABASES.test(type.text) ? type.text : undefined;
    };
    const options = this.find(
      (node): node is ts.ObjectLiteralExpression => ts.isObjectLiteralExpression(node) && typeOf(node) !== undefined,
    );
    const type = options && typeOf(options);
    return options && type !== undefined ? { type, options } : undefined;
  }

  private propertyOf(options: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
    const { ts } = this;
    const property = options.properties.find(
      (each) => each.name && ts.isIdentifier(each.name) && each.name.text === name,
    );
    return property && ts.isPropertyAssignment(property) ? property.initializer : undefined;
  }

  private decoratorOf(declaration: ts.ClassDeclaration, name: string): ts.CallExpression | undefined {
    const { ts } = this;
    return (ts.getDecorators(declaration) ?? [])
      .map(({ expression }) => expression)
      .find(
        (expression): expression is ts.CallExpression =>
          ts.isCallExpression(expression) && expression.expression.getText(this.source) === name,
      );
  }

  private isCall(node: ts.Node, object: string, methods: readonly string[]): node is ts.CallExpression {
    const { ts } = this;
    return (
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      node.expression.expression.getText(this.source) === object &&
      methods.includes(node.expression.name.text)
    );
  }

  private find<T extends ts.Node>(matches: (node: ts.Node) => node is T): T | undefined {
    const search = (node: ts.Node): T | undefined =>
      matches(node) ? node : this.ts.forEachChild(node, (child) => search(child));
    return search(this.source);
  }

  private indentAt(position: number): string {
    const line = this.text.slice(this.text.lastIndexOf('\n', position - 1) + 1);
    return /^[ \t]*/.exec(line)?.[0] ?? '';
  }

  private insert(at: number, text: string): void {
    this.replace(at, at, text);
  }

  private replace(start: number, end: number, text: string): void {
    this.source = this.parse(this.text.slice(0, start) + text + this.text.slice(end));
  }

  private parse(text: string): ts.SourceFile {
    return this.ts.createSourceFile(this.path, text, this.ts.ScriptTarget.Latest, true);
  }
}

/** Values of `type` in the options of a DataSource of TypeORM for servers with SQL. */
const DATABASES =
  /^(?:postgres|cockroachdb|aurora-postgres|aurora-mysql|mysql|mariadb|mssql|oracle|sap|spanner|sqlite|better-sqlite3|sqljs|mongodb)$/;
