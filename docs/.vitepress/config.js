import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { githubSlug } from '../../scripts/github-slug.js';
import { brokenLinks } from './broken-links.js';
import { writeLlmsTexts } from './llms-texts.js';
import { breakableNames, linksToRoot, mermaidDiagrams, rowAnchors } from './markdown-rules.js';
import { sidebar } from './sidebar.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** The path below which the site is served, with a slash at both ends. */
const base = process.env.DOCS_BASE ?? '/';

export default defineConfig({
  title: 'nestjs-sigra',
  titleTemplate: ':title · nestjs-sigra',
  description:
    'API tokens, JWTs and sessions for NestJS on your own PostgreSQL. Revoked means refused by the next request.',
  lang: 'en',
  base,
  cleanUrls: true,
  outDir: path('../../dist/docs'),
  cacheDir: path('../../dist/docs-cache'),
  vite: { publicDir: path('./public') },
  head: [
    ['link', { rel: 'icon', href: `${base}favicon.svg`, type: 'image/svg+xml' }],
    ['meta', { name: 'theme-color', content: '#0b5f62' }],
  ],
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: githubSlug },
    config: (markdown) => markdown.use(linksToRoot).use(mermaidDiagrams).use(breakableNames).use(rowAnchors),
  },
  themeConfig: {
    logo: { src: '/favicon.svg', alt: '' },
    outline: { level: [2, 3] },
    search: {
      provider: 'local',
      // The name of the button contains its text (WCAG 2.5.3), which ends with the key, after a space.
      options: {
        detailedView: true,
        translations: { button: { buttonText: 'Search ', buttonAriaLabel: 'Search K' } },
      },
    },
    nav: [
      { text: 'Quick start', link: '/quick-start' },
      { text: 'Configuration', link: '/configuration' },
      { text: 'Errors', link: '/errors' },
      { text: 'Incidents', link: '/incidents' },
      { text: 'Command line', link: '/cli' },
    ],
    sidebar,
    docFooter: { prev: 'Previous', next: 'Next' },
    notFound: {
      title: 'There is no such page',
      quote: 'Search for it, or begin with the quick start.',
      linkLabel: 'To the first page',
      linkText: 'First page',
    },
    footer: { message: 'MIT license' },
  },
  async buildEnd({ outDir }) {
    // Files that pages link to, which are not pages.
    copyFileSync(path('../grafana-dashboard.json'), join(outDir, 'grafana-dashboard.json'));
    writeLlmsTexts(outDir);
    const broken = brokenLinks(outDir, base);
    if (broken.length > 0) throw new Error(`Broken links:\n${broken.join('\n')}`);
  },
});
