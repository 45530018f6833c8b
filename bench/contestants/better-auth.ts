import { apiKey } from '@better-auth/api-key';
import type { BetterAuthOptions } from 'better-auth';
import type pg from 'pg';

/** better-auth with its API key plugin, set up as in its documentation, without its rate limit. */
export const betterAuthOptions = (database: pg.Pool): BetterAuthOptions => ({
  database,
  baseURL: 'http://127.0.0.1',
  secret: 'a secret of the benchmarks that is long enough',
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});
