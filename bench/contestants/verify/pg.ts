import { createHash } from 'node:crypto';
import pg from 'pg';
import { isLive } from '../is-live.js';
import type { VerifyFactory } from './contestant.js';

interface TokenRow {
  readonly id: string;
  readonly userId: string;
  readonly scopes: string[];
  readonly revokedAt: Date | null;
  readonly expiresAt: Date | null;
}

/** The driver alone, with a prepared statement. It reads only the token. */
export const namedStatement: VerifyFactory = async (databaseUrl) => {
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const text = `SELECT id, owner_id AS "userId", scopes, revoked_at AS "revokedAt", expires_at AS "expiresAt"
    FROM sigra_api_tokens WHERE token_hash = $1`;
  return {
    verify: async (rawToken) => {
      const values = [createHash('sha256').update(rawToken).digest()];
      const { rows } = await pool.query<TokenRow>({ name: 'verify', text, values });
      if (!isLive(rows[0])) throw new Error('pg: the token is not good');
    },
    close: () => pool.end(),
  };
};
