import type { ScopeOptions } from 'nestjs-sigra';

/** Scopes that a route of the demo requires. */
const GROUP = 'Used by this demo';

export const SCOPES: readonly ScopeOptions[] = [
  { name: 'read:projects', title: 'List your projects', group: GROUP },
  { name: 'write:projects', title: 'Create projects', group: GROUP },
  { name: 'admin', title: 'See the statistics of the demo', group: GROUP },
  // Built in: the demo only shows them in its group.
  { name: 'api_tokens:read', title: 'List your API tokens', group: GROUP },
  {
    name: 'api_tokens:write',
    title: 'Create, change, rotate and revoke your API tokens',
    group: GROUP,
    danger: true,
  },
];
