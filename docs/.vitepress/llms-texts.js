import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pageOf } from './pages.js';
import { groups } from './sidebar.js';

/** Writes the site for language models, in the form of llmstxt.org: a list of the pages, and all pages in one file. */
export function writeLlmsTexts(folder) {
  const home = pageOf('index');
  const lists = Object.entries(groups).map(([group, names]) => {
    const lines = names.map((name) => {
      const { title, description } = pageOf(name);
      return `- [${title}](${name}): ${description}`;
    });
    return `## ${group}\n\n${lines.join('\n')}`;
  });
  const pages = Object.values(groups)
    .flat()
    .map((name) => pageOf(name).text);

  writeFileSync(join(folder, 'llms.txt'), `# nestjs-sigra\n\n> ${home.description}\n\n${lists.join('\n\n')}\n`);
  writeFileSync(join(folder, 'llms-full.txt'), pages.join('\n\n'));
}
