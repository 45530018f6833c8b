import { readdirSync, readFileSync } from 'node:fs';
import { githubSlug } from '../../scripts/github-slug.js';
import { root } from './source.js';

/** A fenced block of code and its position. */
export interface Fence {
  readonly language: string;
  readonly code: string;
  /** The line of the first line of code, from 1. */
  readonly line: number;
}

/** A Markdown file of the repository. */
export class MarkdownFile {
  readonly text: string;
  private readonly lines: readonly string[];

  constructor(
    /** Path from the root of the repository. */
    readonly path: string,
  ) {
    this.text = readFileSync(`${root}${path}`, 'utf8');
    this.lines = this.text.split('\n');
  }

  get fences(): Fence[] {
    const fences: Fence[] = [];
    let open: { indent: string; language: string; start: number } | undefined;
    this.lines.forEach((line, index) => {
      const [, indent, language] = /^(\s*)```(\w*)/.exec(line) ?? [];
      if (indent === undefined) return;
      if (!open) {
        open = { indent, language: language ?? '', start: index + 1 };
        return;
      }
      const { start, indent: margin } = open;
      const code = this.lines
        .slice(start, index)
        .map((each) => (each.startsWith(margin) ? each.slice(margin.length) : each));
      fences.push({ language: open.language, code: code.join('\n'), line: start + 1 });
      open = undefined;
    });
    return fences;
  }

  /** The text without its blocks of code. */
  get prose(): string {
    return this.text.replaceAll(/^([ \t]*)```[\s\S]*?^\1```$/gm, '');
  }

  /** Targets of links, as written. */
  get links(): string[] {
    return [...this.prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  }

  /** Ids of headings, as GitHub and npm create them. */
  get anchors(): ReadonlySet<string> {
    const headings = [...this.prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
    return new Set(headings.map(githubSlug));
  }

  /** Cells of the rows of all tables, without header rows. */
  get rows(): string[][] {
    return this.prose
      .split('\n')
      .filter((line, index, all) => line.startsWith('|') && !isRule(line) && !isRule(all[index + 1] ?? ''))
      .map((line) =>
        line
          .slice(1, line.lastIndexOf('|'))
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      );
  }

  /** Names in backticks in the first cells of tables. */
  get tabled(): string[] {
    return this.rows.flatMap(([first]) => codeIn(first!));
  }
}

export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** The pages of the repository; the copies that `npm pack` makes are left out. */
export const documents: readonly MarkdownFile[] = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => new MarkdownFile(path));

export function document(path: string): MarkdownFile {
  const found = documents.find((each) => each.path === path);
  if (!found) throw new Error(`There is no ${path}`);
  return found;
}

function isRule(line: string): boolean {
  return /^\|[\s|:-]+\|$/.test(line);
}
