import {
  ApiTokenService,
  Clock,
  type CreateApiToken,
  type IssuedApiToken,
  SigraError,
  type UserRef,
} from '../index.js';
import type { Providers } from './providers.js';

/** What a test says of a token; everything has a default. */
export type ApiTokenOverrides = Partial<CreateApiToken>;

const SHORT_LIFE_MS = 5 * 60 * 1000;

/**
 * Creates a token through the application's own `ApiTokenService`.
 *
 * @param user the host's user, or its id
 * @param overrides by default the name is `test`, the scopes are `['*']`, and the token never expires; where the
 * application demands an expiry, it is in five minutes of its `Clock`
 * @throws SigraError as `ApiTokenService.create`
 *
 * @example
 * const { rawToken } = await createApiToken(app, user, { scopes: ['read:projects'] });
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken)).expect(200);
 */
export async function createApiToken(
  app: Providers,
  user: UserRef,
  { name = 'test', scopes = ['*'], expiresAt }: ApiTokenOverrides = {},
): Promise<IssuedApiToken> {
  const tokens = app.get(ApiTokenService);
  try {
    return await tokens.create(user, { name, scopes, expiresAt });
  } catch (error) {
    if (expiresAt !== undefined || !demandsExpiry(error)) throw error;
    const now = app.get<Clock>(Clock).now();
    return tokens.create(user, { name, scopes, expiresAt: new Date(now.getTime() + SHORT_LIFE_MS) });
  }
}

function demandsExpiry(error: unknown): boolean {
  return error instanceof SigraError && (error.code === 'expiry_required' || error.code === 'ttl_exceeded');
}
