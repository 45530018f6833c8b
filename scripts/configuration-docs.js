import { readFileSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/**
 * Writes the tables of docs/configuration.md: `node scripts/configuration-docs.js`. Type, bounds and default come from
 * the specs of the options, descriptions from the doc comments of their types.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const PAGE = `${root}docs/configuration.md`;
const CONFIG = `${root}libs/sigra/src/config`;
const TYPES = `${CONFIG}/sigra-options.ts`;

/** The page with new tables between its markers `<!-- options: NAME -->` and `<!-- /options -->`. */
export function configurationPage(page, specs) {
  const docs = optionDocs();
  return page.replaceAll(/(<!-- options: (\w+) -->\n)[^]*?(<!-- \/options -->)/g, (_all, open, name, close) => {
    return `${open}\n${table(rowsOf(name, specs, docs))}\n\n${close}`;
  });
}

function rowsOf(name, specs, docs) {
  if (name === 'top') return rowsOfSpecs(specs, '', docs);
  if (name !== 'extras') return rowsOfSpecs(specs[name].options, `${name}.`, docs);
  // Options of the module itself have no specs.
  return [...docs]
    .filter(([path]) => !Object.hasOwn(specs, path.split(/[.[]/)[0]))
    .map(([path, doc]) => [code(path), doc.type, inWords(doc.default), doc.description]);
}

function rowsOfSpecs(specs, prefix, docs) {
  return Object.entries(specs).flatMap(([name, spec]) => {
    const path = prefix + name;
    // A section of the top has a table of its own.
    if (spec.options) return prefix === '' ? [] : rowsOfSpecs(spec.options, `${path}.`, docs);
    const doc = docs.get(path);
    if (!doc?.description) throw new Error(`${TYPES} does not describe ${path}`);
    const row = [code(path), spec.accepts, defaultOf(path, spec, doc), doc.description];
    return [row, ...rowsOfSpecs(spec.items ?? {}, `${path}[].`, docs)];
  });
}

function defaultOf(path, spec, doc) {
  if (typeof spec.default === 'function') return inWords(doc.default);
  const literal = spec.default === undefined ? undefined : literalOf(spec.default);
  if (literal !== doc.default) {
    throw new Error(`The default of ${path} is ${literal}, and its doc comment states ${doc.default}`);
  }
  return literal === undefined ? 'required' : code(literal);
}

/** The default that a doc comment states, as Markdown. Literals become code. */
function inWords(stated = 'none') {
  return /^(?:[\d_]+|true|false|'.*'|\[.*\])$/.test(stated) ? code(stated) : stated;
}

/** A value as TypeScript writes it: `'api'`, `2_592_000`, `['*']`. */
function literalOf(value) {
  if (Array.isArray(value)) return `[${value.map(literalOf).join(', ')}]`;
  if (typeof value === 'string') return `'${value}'`;
  return value >= 10_000 ? value.toLocaleString('en-US').replaceAll(',', '_') : String(value);
}

function code(text) {
  return `\`${text}\``;
}

/** A Markdown table, aligned as by Prettier. */
function table(rows) {
  const lines = [['option', 'type and bounds', 'default', 'description'], ...rows].map((cells) =>
    cells.map((cell) => cell.replaceAll('|', '\\|')),
  );
  const widths = lines[0].map((_cell, column) => Math.max(...lines.map((cells) => cells[column].length)));
  const [head, ...body] = lines.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column])));
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The documentation of every option, by path: `apiTokens.prefix`, `jwt.keys[].kid`. */
export function optionDocs() {
  const source = ts.createSourceFile(TYPES, readFileSync(TYPES, 'utf8'), ts.ScriptTarget.Latest, true);
  const declarations = new Map(
    source.statements
      .filter((statement) => ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
      .map((declaration) => [declaration.name.text, declaration]),
  );
  return new Map(
    ['SigraModuleOptions', 'SigraModuleExtras'].flatMap((name) => docsOf(declarations.get(name), '', declarations)),
  );
}

function docsOf(declaration, prefix, declarations) {
  return membersOf(declaration, declarations).flatMap((member) => {
    const path = prefix + member.name.getText();
    const type = member.type.getText();
    // In a union, `never` marks an option of another branch.
    if (type === 'never') return [];
    // The values of an object by name are listed as the items of an array are.
    const [, byName] = /^Readonly<Record<string, (\w+Options)>>$/.exec(type) ?? [];
    const [, nested = byName, array = byName] =
      /^(?:readonly )?(?:\(string \| )?(\w+(?:Options|Paths))(?:<\w+>)?\)?(\[\])?$/.exec(type) ?? [];
    const own = [path, { type, default: defaultTagOf(member), description: descriptionOf(member) }];
    if (nested === undefined) return [own];
    const children = docsOf(declarations.get(nested), array ? `${path}[].` : `${path}.`, declarations);
    return array ? [own, ...children] : children;
  });
}

/** The properties of an interface, including inherited ones, or of a type alias. */
function membersOf(node, declarations) {
  if (ts.isTypeReferenceNode(node)) return membersOf(declarations.get(node.typeName.getText()), declarations);
  if (ts.isTypeAliasDeclaration(node) || ts.isParenthesizedTypeNode(node)) return membersOf(node.type, declarations);
  if (ts.isUnionTypeNode(node) || ts.isIntersectionTypeNode(node)) {
    return node.types.flatMap((type) => membersOf(type, declarations));
  }
  const parents = (node.heritageClauses ?? []).flatMap(({ types }) => types);
  const inherited = parents.flatMap(({ expression }) =>
    membersOf(declarations.get(expression.getText()), declarations),
  );
  return [...inherited, ...node.members.filter(ts.isPropertySignature)];
}

function descriptionOf(member) {
  const comment = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc)?.comment;
  return oneLine(ts.getTextOfJSDocComment(comment)?.split('\n\n')[0]);
}

function defaultTagOf(member) {
  const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
  return oneLine(ts.getTextOfJSDocComment(tag?.comment));
}

function oneLine(text) {
  return text?.trim().replaceAll(/\s+/g, ' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  register('../tools/typescript/loader.js', import.meta.url);
  const { sigraSection } = await import(`${CONFIG}/resolve-config.ts`);
  writeFileSync(PAGE, configurationPage(readFileSync(PAGE, 'utf8'), sigraSection.options));
}
