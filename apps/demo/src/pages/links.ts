/** The pages in the header of every page, and on the first page with what they show. */
export const LINKS = [
  {
    path: '/settings/tokens',
    label: 'Tokens',
    about: 'Create, rotate and revoke your API tokens, and sign out devices.',
  },
  {
    path: '/settings/audit',
    label: 'Activity',
    about: 'What you and your tokens did, and what was refused, by day and token.',
  },
  {
    path: '/organization',
    label: 'Organization',
    about: 'Tokens that belong to an organization, and stay when a member leaves.',
  },
  { path: '/settings/metrics', label: 'Metrics', about: 'Requests by day and token, and the figures of this process.' },
  { path: '/docs', label: 'API', about: 'Every route, with the scope that it needs and a curl line.' },
] as const;
