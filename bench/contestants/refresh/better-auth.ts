import { createHash, randomBytes } from 'node:crypto';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';
import { betterAuthOptions } from '../better-auth.js';
import type { RefreshFactory } from './contestant.js';

const CLIENT_ID = 'bench';
const SCOPES = ['offline_access'];

/** The `refresh_token` grant of better-auth's OAuth provider, for a public client, with opaque access tokens. */
export const betterAuthProvider: RefreshFactory = async (databaseUrl) => {
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const options = {
    ...betterAuthOptions(pool),
    plugins: [oauthProvider({ loginPage: '/login', consentPage: '/consent', scopes: SCOPES, disableJwtPlugin: true })],
  };
  await (await getMigrations(options)).runMigrations();
  const auth = betterAuth(options);
  const { adapter } = await auth.$context;
  const { user } = await auth.api.signUpEmail({
    body: { email: 'ada@example.com', password: 'a password of the benchmarks', name: 'Ada' },
  });
  await adapter.create({
    model: 'oauthClient',
    data: {
      clientId: CLIENT_ID,
      redirectUris: ['https://bench.example/callback'],
      grantTypes: ['authorization_code', 'refresh_token'],
      tokenEndpointAuthMethod: 'none',
      scopes: SCOPES,
      public: true,
    },
  });
  return {
    // The row that a sign-in creates, without the pages that lead to it.
    signIn: async () => {
      const token = randomBytes(32).toString('base64url');
      await adapter.create({
        model: 'oauthRefreshToken',
        data: {
          token: createHash('sha256').update(token).digest('base64url'),
          clientId: CLIENT_ID,
          userId: user.id,
          scopes: SCOPES,
          createdAt: new Date(),
          expiresAt: new Date(Date.now() + 30 * 86_400_000),
        },
      });
      return token;
    },
    refresh: async (refreshToken) => {
      const body = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: CLIENT_ID } as const;
      const { refresh_token: successor } = await auth.api.oauth2Token({ body });
      if (successor === undefined) throw new Error('better-auth gives no successor');
      return successor;
    },
    countLive: () => adapter.count({ model: 'oauthRefreshToken', where: [{ field: 'revoked', value: null }] }),
    close: () => pool.end(),
  };
};
