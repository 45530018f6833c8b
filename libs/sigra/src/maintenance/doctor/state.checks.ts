import type { Check } from './finding.js';

/** Whether clean-up has missed tokens that it had to delete. */
export const cleanupCheck: Check<{ readonly isOverdue: boolean; readonly schedule: string | false }> = {
  code: 'cleanup.overdue',
  severity: 'warning',
  remedy: 'Set cleanup.schedule, run `npx sigra cleanup` in a job of your own, or look for its errors in the log.',
  find: ({ isOverdue, schedule }) => {
    if (!isOverdue) return undefined;
    const why =
      schedule === false ? 'cleanup.schedule is false, and nothing else runs it' : 'no node runs it, or it fails';
    return `Clean-up has not deleted tokens that have expired: ${why}.`;
  },
};

/** Whether credentials of types that no application has are kept. */
export const ownerTypeCheck: Check<readonly string[]> = {
  code: 'owners.unknown_types',
  severity: 'warning',
  remedy:
    'Add the types to `users` or `owners`, or delete the rows: no one can verify, list or clean up these credentials.',
  find: (types) =>
    types.length === 0 ? undefined : `There are credentials of owners of unknown types: ${types.join(', ')}.`,
};

/** Whether each client chooses its address. */
export const proxyCheck: Check<boolean> = {
  code: 'proxy.trusts_all',
  severity: 'error',
  remedy: 'Set trust proxy of Express, or trustProxy of Fastify, to the addresses of your proxies.',
  find: (trustsAll) =>
    trustsAll
      ? 'The framework believes X-Forwarded-For of every client: each client chooses the address that allowedIps, audit rows and limits see.'
      : undefined,
};
