import { betterAuth } from 'better-auth';
import pg from 'pg';
import { betterAuthOptions } from '../better-auth.js';
import type { VerifyFactory } from './contestant.js';

/** `auth.api.verifyApiKey`, which reads only the key, and writes `updatedAt`. */
export const betterAuthKeys: VerifyFactory = async (databaseUrl) => {
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const auth = betterAuth(betterAuthOptions(pool));
  return {
    verify: async (key) => {
      const { valid, error } = await auth.api.verifyApiKey({ body: { key } });
      if (!valid) throw new Error(`better-auth refused a good key: ${JSON.stringify(error)}`);
    },
    close: () => pool.end(),
  };
};
