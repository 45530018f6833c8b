import { readdirSync } from 'node:fs';
import { errorSections } from './error-sections.js';
import { pageOf } from './pages.js';

/** The groups of the sidebar: what a reader wants to do, and the pages for it. */
const GROUPS = {
  Start: ['quick-start', 'existing-application', 'getting-started', 'ui', 'import', 'comparison'],
  'Who calls your API': ['client-service', 'client-browser', 'client-mobile', 'client-mcp', 'issuers'],
  'What they can do': ['scopes', 'kinds', 'owners', 'sessions-and-guards', 'jwt', 'dpop', 'administration'],
  'When something has happened': ['incidents', 'leaks', 'events'],
  'Run it': [
    'operations',
    'cli',
    'observability',
    'databases',
    'reliability',
    'replicas',
    'security',
    'testing',
    'upgrading',
    'changelog',
  ],
  Reference: ['configuration', 'errors', 'api', 'openapi', 'architecture', 'reference-map'],
};

const placed = Object.values(GROUPS).flat();
/** A new page is never out of reach. */
const more = readdirSync(new URL('..', import.meta.url))
  .flatMap((file) => /^(.+)\.md$/.exec(file)?.[1] ?? [])
  .filter((name) => name !== 'index' && !placed.includes(name));

export const groups = more.length > 0 ? { ...GROUPS, More: more } : GROUPS;

/** The pages below a page. */
const below = { errors: errorSections().map(({ code }) => ({ text: code, link: `/errors/${code}` })) };

export const sidebar = Object.entries(groups).map(([text, names]) => ({
  text,
  items: names.map((name) => ({
    text: pageOf(name).title,
    link: `/${name}`,
    ...(below[name] && { collapsed: true, items: below[name] }),
  })),
}));
