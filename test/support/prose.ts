import { readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';
import { root } from './source.js';

/** A comment, a string, or a page of prose. */
export interface Passage {
  /** From the root of the repository. */
  readonly path: string;
  /** Its first line, from 1. */
  readonly line: number;
  /** Without fenced code and comment markers; line breaks are kept. */
  readonly text: string;
}

const SKIPPED = /(?:^|\/)(?:node_modules|dist|coverage|\.git|\.data|\.quick|screenshots)$/;
/** What `npm pack` copies into the package. */
const COPIED = /^libs\/sigra\/(?:docs$|[A-Z]+(?:\.md)?$)/;

/** Everything in the repository that people read: pages, comments, messages and names of tests. */
export function passages(): Passage[] {
  return filesBelow('').flatMap((path) => {
    if (/\.(?:md|eta|yml)$/.test(path)) return [pageOf(path)];
    return /\.(?:ts|js)$/.test(path) ? passagesOfSource(path, readFileSync(root + path, 'utf8')) : [];
  });
}

function filesBelow(folder: string): string[] {
  return readdirSync(root + folder).flatMap((name) => {
    const path = posix.join(folder, name);
    if (SKIPPED.test(path) || COPIED.test(path)) return [];
    return statSync(root + path).isDirectory() ? filesBelow(path) : [path];
  });
}

/** Blanks fenced code, so that lines keep their numbers. */
function pageOf(path: string): Passage {
  const text = readFileSync(root + path, 'utf8');
  return {
    path,
    line: 1,
    text: text.replaceAll(/^([ \t]*)```[\s\S]*?^\1```$/gm, (code) => code.replaceAll(/.+/g, '')),
  };
}

/** Comments, and strings and templates of more than one word. */
export function passagesOfSource(path: string, text: string): Passage[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const comments = new Map<number, number>();
  const strings: [start: number, end: number][] = [];
  const visit = (node: ts.Node): void => {
    const children = node.getChildren();
    if (children.length === 0) {
      const leading = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
      const trailing = ts.getTrailingCommentRanges(text, node.getEnd()) ?? [];
      for (const { pos, end } of [...leading, ...trailing]) comments.set(pos, end);
    }
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
    if (isText && /\S\s+\S/.test(node.getText())) strings.push([node.getStart(), node.getEnd()]);
    children.forEach(visit);
  };
  visit(source);
  return [...joinLineComments(comments, text), ...strings].map(([start, end]) => ({
    path,
    line: source.getLineAndCharacterOfPosition(start).line + 1,
    text: text.slice(start, end).replaceAll(/^[ \t]*(?:\/\/|\/?\*+\/?)/gm, ''),
  }));
}

/** Joins adjacent line comments, because a sentence can continue in the next one. */
function joinLineComments(comments: ReadonlyMap<number, number>, text: string): [start: number, end: number][] {
  const joined: [start: number, end: number][] = [];
  for (const [start, end] of [...comments].sort(([a], [b]) => a - b)) {
    const previous = joined.at(-1);
    if (previous && text.startsWith('//', start) && /^\n[ \t]*$/.test(text.slice(previous[1], start)))
      previous[1] = end;
    else joined.push([start, end]);
  }
  return joined;
}
