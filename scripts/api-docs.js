import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as prettier from 'prettier';
import ts from 'typescript';

/**
 * Writes the sections of docs/api.md: `node scripts/api-docs.js`. Names and groups come from the entry files of the package,
 * signatures and descriptions from the declarations and their doc comments.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const PAGE = `${root}docs/api.md`;
const SOURCES = `${root}libs/sigra/src`;
/** Options are described, with bounds and defaults, in docs/configuration.md. */
const OPTIONS = /\/config\/sigra-options\.ts$/;

const ENTRIES = ['index', 'testing', 'issuers', 'opentelemetry', 'swagger', 'terminus', 'throttler'];

const program = ts.createProgram(
  ENTRIES.map((entry) => `${SOURCES}/${entry}.ts`),
  ts.parseJsonConfigFileContent(ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config, ts.sys, root)
    .options,
);
const checker = program.getTypeChecker();
const codes = new Set(readFileSync(`${root}docs/errors.md`, 'utf8').match(/(?<=^### )\w+$/gm));

/** The page with new sections between its markers `<!-- api: ENTRY/GROUP -->` and `<!-- /api -->`. */
export async function apiPage(page) {
  const left = new Map(ENTRIES.flatMap((entry) => [...groupsOf(entry)]));
  const text = page.replaceAll(/(<!-- api: (.+?) -->\n)[^]*?(<!-- \/api -->)/g, (_all, open, group, close) => {
    const exported = left.get(group);
    if (!exported) throw new Error(`No entry file has a group of exports for ${open}`);
    left.delete(group);
    return `${open}\n${exported.map(sectionOf).join('\n\n')}\n\n${close}`;
  });
  if (left.size > 0) throw new Error(`${PAGE} has no marker <!-- api: ${[...left.keys()].join(', ')} -->`);
  return prettier.format(text, { ...(await prettier.resolveConfig(PAGE)), filepath: PAGE });
}

/** The exports of an entry file, by the comment above them. */
function groupsOf(entry) {
  const source = program.getSourceFile(`${SOURCES}/${entry}.ts`);
  const groups = new Map();
  let group = entry;
  for (const statement of source.statements) {
    const [comment] = ts.getLeadingCommentRanges(source.text, statement.getFullStart()) ?? [];
    if (comment)
      group = `${entry}/${source.text
        .slice(comment.pos + 2, comment.end)
        .trim()
        .replace(/\.$/, '')}`;
    const found = statement.exportClause.elements.map(({ name }) => exported(name));
    groups.set(group, [...(groups.get(group) ?? []), ...found]);
  }
  return groups;
}

/** The declarations of a name, also one that a file passes on: the overloads of a function, without its implementation. */
function exported(name) {
  const symbol = checker.getSymbolAtLocation(name);
  const { declarations } = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return { name: name.text, nodes: withoutImplementation(declarations) };
}

function withoutImplementation(declarations) {
  const overloads = declarations.filter((each) => ts.isFunctionLike(each) && !each.body);
  return overloads.length > 0 ? overloads : declarations;
}

function sectionOf({ name, nodes }) {
  const [first] = nodes;
  return [`#### ${name}`, ...(ts.isClassDeclaration(first) ? classOf(first) : nodes.flatMap(partsOf))].join('\n\n');
}

function classOf(node) {
  const members = node.members.filter(isPublic);
  const heritage = (node.heritageClauses ?? []).map((clause) => ` ${clause.getText()}`).join('');
  // Nest constructs what it injects.
  const constructors = ts.getDecorators(node)?.length ? [] : members.filter(ts.isConstructorDeclaration);
  const methods = members.filter((member) => ts.isMethodDeclaration(member) && docOf(member) !== '');
  const properties = members.filter((member) => ts.isPropertyDeclaration(member) && docOf(member) !== '');
  return [
    block(`class ${node.name.text}${heritage}`),
    docOf(node),
    ...tableOf(properties.map((member) => checker.getSymbolAtLocation(member.name))),
    ...[...constructors, ...methods].flatMap(partsOf),
  ].filter(Boolean);
}

/** Signature, description, parameters, result and errors of a declaration. */
function partsOf(node) {
  if (ts.isInterfaceDeclaration(node)) return interfaceOf(node);
  if (ts.isTypeAliasDeclaration(node) && isShape(node)) return interfaceOf(node);
  return [block(signatureOf(node)), docOf(node), tagsOf(node)].filter(Boolean);
}

/** Whether a type is that of an object, and its declaration does not show its properties. */
function isShape({ type }) {
  const found = checker.getTypeAtLocation(type);
  return (
    (found.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) !== 0 && found.getCallSignatures().length === 0
  );
}

function interfaceOf(node) {
  const isOptions = OPTIONS.test(node.getSourceFile().fileName) && /(?:Options|Paths|Extras)$/.test(node.name.text);
  const properties = checker.getPropertiesOfType(checker.getTypeAtLocation(node.name));
  return [
    docOf(node),
    ...(isOptions ? ['Its properties are [options](configuration.md).'] : tableOf(properties)),
  ].filter(Boolean);
}

/** The properties, inherited ones included, as a table. Those that a symbol names are internal. */
function tableOf(properties) {
  const rows = properties
    .filter(({ name, declarations: [declared] = [] }) => !name.startsWith('__@') && declared && isOurs(declared))
    .map((property) => {
      const [declared] = property.declarations;
      const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
      const fallback = plain(
        ts.displayPartsToString(property.getJsDocTags(checker).find(({ name }) => name === 'default')?.text),
      );
      const description = plain(ts.displayPartsToString(property.getDocumentationComment(checker)));
      return [
        `\`${property.name}${isOptional ? '?' : ''}\``,
        `\`${propertyType(property, declared)}\``,
        `${description}${fallback ? ` Default: ${fallback}.` : ''}`,
      ];
    });
  if (rows.length === 0) return [];
  const cells = (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [[cells(['property', 'type', 'description']), '| - | - | - |', ...rows.map(cells)].join('\n')];
}

/** The type as it is written, or of a derived property as the compiler sees it. */
function propertyType(property, declared) {
  if (ts.isMethodSignature(declared)) return oneLine(signatureOf(declared));
  const isWritten = ts.isPropertySignature(declared) || ts.isPropertyDeclaration(declared) || ts.isParameter(declared);
  if (isWritten && declared.type) return oneLine(declared.type.getText());
  return checker.typeToString(checker.getTypeOfSymbol(property), undefined, ts.TypeFormatFlags.NoTruncation);
}

function isOurs(node) {
  return node.getSourceFile().fileName.startsWith(SOURCES);
}

function signatureOf(node) {
  if (ts.isTypeAliasDeclaration(node)) return aliasOf(node);
  const { initializer } = node;
  const call =
    initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer)) ? initializer : node;
  if (!call.parameters) return `const ${node.name.getText()}${node.type ? `: ${node.type.getText()}` : ''}`;
  const name = ts.isConstructorDeclaration(call) ? `new ${node.parent.name.text}` : (node.name?.getText() ?? '');
  const generic = call.typeParameters ? `<${call.typeParameters.map((each) => each.getText()).join(', ')}>` : '';
  const parameters = call.parameters.map((each) => parameterOf(each));
  return `${name}${generic}(${parameters.join(', ')})${call.type ? `: ${call.type.getText()}` : ''}`;
}

/** The alias as it is written; strings that are named elsewhere are listed. */
function aliasOf(node) {
  const type = checker.getTypeAtLocation(node.type);
  if (type.isUnion() && type.types.every((each) => each.isStringLiteral()) && !/^[\s|]*'/.test(node.type.getText())) {
    const names = type.types.map(({ value }) => value).sort();
    return `type ${node.name.text} =\n${names.map((name) => `  | '${name}'`).join('\n')}`;
  }
  return node.getText().replace('export ', '').replace(/;$/, '');
}

function parameterOf({ dotDotDotToken, name, questionToken, type, initializer }) {
  const label = ts.isIdentifier(name) ? name.text : 'options';
  const isOptional = questionToken ?? initializer;
  return `${dotDotDotToken ? '...' : ''}${label}${isOptional ? '?' : ''}${type ? `: ${oneLine(type.getText())}` : ''}`;
}

function tagsOf(node) {
  const lines = ts.getJSDocTags(documented(node)).flatMap((tag) => {
    const text = plain(ts.getTextOfJSDocComment(tag.comment));
    if (!text) return [];
    if (ts.isJSDocParameterTag(tag)) return [`- \`${tag.name.getText()}\`: ${text}`];
    if (tag.tagName.text === 'returns') return [`- Result: ${text}`];
    return tag.tagName.text === 'throws' ? [`- Errors: ${linked(text.replace(/^SigraError /, ''))}`] : [];
  });
  return lines.join('\n');
}

/** Error codes lead to their sections. */
function linked(text) {
  return text.replaceAll(/`([a-z_]+)`/g, (code, name) => (codes.has(name) ? `[${code}](errors.md#${name})` : code));
}

function docOf(node) {
  const comment = ts.getJSDocCommentsAndTags(documented(node)).filter(ts.isJSDoc).at(-1)?.comment;
  return plain(ts.getTextOfJSDocComment(comment), '\n\n');
}

/** The comment of a variable belongs to its statement. */
function documented(node) {
  return ts.isVariableDeclaration(node) ? node.parent.parent : node;
}

/** Prose with paragraphs on one line each, in which the site finds no HTML. Examples stay in the editor. */
function plain(text = '', between = ' ') {
  return (text ?? '')
    .replaceAll(/```[^]*?```/g, '')
    .split(/\n\s*\n/)
    .map(oneLine)
    .filter(Boolean)
    .join(between)
    .replaceAll(/`[^`]*`|</g, (match) => (match === '<' ? '&lt;' : match));
}

function isPublic(member) {
  const flags = ts.getCombinedModifierFlags(member);
  const isHidden = (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;
  return !isHidden && !ts.getJSDocTags(member).some(({ tagName }) => tagName.text === 'internal');
}

function block(code) {
  return `\`\`\`text\n${code}\n\`\`\``;
}

function oneLine(text) {
  return text.trim().replaceAll(/\s+/g, ' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, await apiPage(readFileSync(PAGE, 'utf8')));
}
