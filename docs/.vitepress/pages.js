import { readFileSync } from 'node:fs';

/** A page of the site: its title, its first paragraph, and its Markdown. */
export function pageOf(name) {
  const text = readFileSync(new URL(`../${name}.md`, import.meta.url), 'utf8').replaceAll(
    /<!--@include: (\S+)-->/g,
    (_all, file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'),
  );
  const [, title = name] = /^# (.+)$/m.exec(text) ?? [];
  const paragraphs = text.split(/\n\s*\n/).filter((block) => /^[A-Z`[*]/.test(block.trim()));
  return { title, description: plain(paragraphs[0] ?? ''), text };
}

/** Prose without links and line breaks. */
function plain(markdown) {
  return markdown
    .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
